"""One fact about an end of the pipe that `eventreplay doctor` looked at: reachable, a right, a version."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Finding:
    """What was looked at and what was found; never contains a secret.

    Attributes:
        name: what was looked at, e.g. `SELECT on events`.
        ok: whether it is as it has to be.
        detail: what was found, one sentence.
        hint: what to do about it, a statement to run where there is one; empty if `ok`.
        required: whether the end cannot be used without it; False for advice.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""
    required: bool = True
