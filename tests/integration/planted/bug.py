"""What a planted bug is."""

from __future__ import annotations

from attrs import frozen


@frozen
class Bug:
    """One way to break a promise.

    Attributes:
        name: what is wrong.
        file: in the project.
        edits: old text, which stands in the file exactly once, and what it is replaced by.
        tests: as pytest takes them; at least one of them must fail.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
