"""Is it all there: RAW against the log, the log against its journal, models against RAW; and repair."""

from eventreplay.verify.comparing import Named, PartitionVerification, Verification, verify

__all__ = ["Named", "PartitionVerification", "Verification", "verify"]
