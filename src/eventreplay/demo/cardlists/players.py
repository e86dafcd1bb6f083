"""Who is on a card: names taken from a card's title where its separators leave no doubt."""

from __future__ import annotations

import re

_IN_BRACKETS = re.compile(r"\(([^()]* / [^()]*)\)?$")
_TITLE = re.compile(r"checklist|[^/]*:", re.IGNORECASE)


def players_of(title: str) -> list[str]:
    """The people a title names, at least one entry; the whole title where it cannot be taken apart.

    `A / B` are two people, and so are those in `Some Heading (A / B)`; `A B/C D` without blanks only when
    each side has several words and no digit. Checklists and headings with a colon name no people. `&`,
    `and` and commas separate nothing: they stand in names (`Cal Ripken, Jr.`) and headings alike.
    """
    bracketed = _IN_BRACKETS.search(title)
    if bracketed is not None:
        return _parts(bracketed[1], " / ") or [title]
    if _TITLE.match(title) is not None or "/" not in title:
        return [title]
    if " / " in title:
        return _parts(title, " / ") or [title]
    parts = _parts(title, "/")
    named = all(" " in part and not any(letter.isdigit() for letter in part) for part in parts)
    return parts if parts and named else [title]


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
