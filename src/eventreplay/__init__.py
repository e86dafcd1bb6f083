"""Capture events into an immutable log of original bytes; replay it into a warehouse, exactly."""
