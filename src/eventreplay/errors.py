"""Every error eventreplay raises on purpose: one root, one retry axis, fields instead of prose to parse.

An error says what happened, where (as fields), and what to do next. `retryable` is the only question
a caller has to ask: a retryable error may succeed if the run starts again from its last checkpoint; a
final one will not, and retrying it would hide the fault. Drivers' own errors are mapped to these at
the boundary of the module that uses the driver (`raise ... from driver_error`). No message may contain
a secret or a payload's bytes: logs and tickets travel further than data does.
"""

from __future__ import annotations


class EventReplayError(Exception):
    """Root of all errors; `hint` tells the reader what to do, `fields` carries the facts.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence; empty if nothing can be done.
        fields: facts that a program may want to read (positions, names, counts).
    """

    retryable = False
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (workers); the default reduction would drop the keywords.
        return (_rebuild, (type(self), self.message, self.hint, self.fields))


def _rebuild(
    kind: type[EventReplayError], message: str, hint: str, fields: dict[str, object]
) -> EventReplayError:
    return kind(message, hint=hint, **fields)


class ConfigError(EventReplayError):
    """A setting is missing, malformed or contradicts another; nothing was started."""

    exit_code = 2


class UnknownPluginError(ConfigError):
    """No installed distribution provides the named source, sink, codec or schema."""


class InvalidEventError(EventReplayError):
    """A batch breaks the invariants of the event schema in a way no quarantine can express.

    For instance: a source yields positions that do not ascend. Single bad events never raise; they
    are quarantined.
    """


class SourceError(EventReplayError):
    """A source could not be read."""


class SourceUnavailableError(SourceError):
    """A source is not reachable now; starting again later may succeed."""

    retryable = True


class EpochError(SourceError):
    """The source is not the one the checkpoint was taken from (restored, failed over, replaced).

    Positions of two epochs cannot be compared, so continuing would lose or double events.
    Fields: `expected`, `found`.
    """


class LateEventError(SourceError):
    """An event appeared at a position that was proven dead: somebody broke what the proof rests on.

    Everything else was captured and committed. Fields: `partition`, `positions` (as `17` and `19-21`).
    """

    exit_code = 3


class CodecError(EventReplayError):
    """A codec cannot be built (a descriptor is missing, an option contradicts a field's type)."""


class CodecChangedError(CodecError):
    """The sink's rows were made by another codec fingerprint than the one in hand.

    Appending would mix two meanings in one table. Fields: `expected`, `found`.
    """


class SinkError(EventReplayError):
    """A sink refused or failed to write; what was not committed is gone, nothing is half there."""


class SinkUnavailableError(SinkError):
    """A sink is not reachable now; starting again from `begin` may succeed."""

    retryable = True


class TransformError(SinkError):
    """dbt could not build or check the tables made from RAW; RAW itself is complete and unharmed.

    The message names tests, tables and a few rows. Fields: `failed`, the names of the nodes, and
    `transformation`, every node as it ended; both are missing if nothing was run.
    """


class TransformUnavailableError(TransformError):
    """dbt found its warehouse busy or not reachable; running it again may succeed."""

    retryable = True


class CheckpointConflictError(SinkError):
    """Compare-and-set failed: another run moved this checkpoint. Fields: `expected`, `found`."""

    exit_code = 4


class GenerationError(SinkError):
    """A generation of the tables is not in the state that was asked for; nothing was changed."""


class PlanError(EventReplayError):
    """A plan of a rebuild cannot be run: what it was made for has moved, or it is not whole.

    `moved` names what.
    """


class LogError(EventReplayError):
    """The log could not be read or written."""


class LogUnavailableError(LogError):
    """The log's storage is not reachable now; starting again may succeed."""

    retryable = True


class CorruptLogError(LogError):
    """Bytes in the log are not those that were committed. Fields: `key` and what differs.

    Reading stops: no row of a damaged object is ever handed out.
    """

    exit_code = 3


class FenceError(LogError):
    """Another writer has taken over this partition; this one can write nothing more (promise P7).

    Fields: `partition`, `token` (ours), `holder` (the slot's content we found).
    """

    exit_code = 4
