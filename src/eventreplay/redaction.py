"""Text of others, before it is shown or stored: a second line of defence behind `Secret` (promise P9)."""

from __future__ import annotations

import re

from eventreplay.secret import MASK

_SENSITIVE = r"\w*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|passphrase)\w*"
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_NAMED_SECRET = re.compile(rf"(?i)\b({_SENSITIVE})(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)")
_NAME = re.compile(rf"(?i){_SENSITIVE}")


def redacted(text: str) -> str:
    """`text` without passwords in URLs and without values of names that speak of secrets.

    The library's own messages hold none, but a driver's may pass through.
    """
    return _NAMED_SECRET.sub(r"\1\2***", _USERINFO.sub(f"{MASK}@", text))


def names_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret, as far as a name can tell."""
    return _NAME.fullmatch(name) is not None
