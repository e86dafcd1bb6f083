"""What ends of the pipe tell the command line: findings for `doctor`, what a warehouse holds for `status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


@frozen(kw_only=True)
class Standing:
    """How far the replays of a warehouse have come, and what they quarantined.

    Attributes:
        checkpoints: by `<replay id>/<partition>`: `position`, `digest`, `updated_at` (a datetime in UTC).
        quarantined: one for each `stage`, `error_code` and `event_type`, with its `count`, in this order.
    """

    checkpoints: Mapping[str, Mapping[str, Any]]
    quarantined: Sequence[Mapping[str, Any]]
