"""AWS's decision on a request, as far as deploy/s3 uses the language of policies; anything else is an error.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: an explicit deny anywhere
wins; else the request needs an allow, of the identity or of the bucket (one account); else it is denied. All
conditions of a statement have to hold, all keys of an operator, one of a key's values. A key that the request
does not have fails a condition, but for `...IfExists`, `Null`, and the negated operators.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import frozen

Policy = Mapping[str, Any]
_STATEMENT = {"Sid", "Effect", "Principal", "Action", "Resource", "NotResource", "Condition"}


@frozen(kw_only=True)
class Asked:
    """One request as policies see it: who, what, on what, and the keys that conditions name."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str]


def load(path: Path, **values: str) -> Policy:
    """A file of deploy/s3 with its words in capitals replaced."""
    text = path.read_text("utf-8")
    for name, value in values.items():
        text = re.sub(rf"\b{name}\b", value, text)
    found: Policy = json.loads(text)
    return found


def allowed(asked: Asked, identity: Policy, bucket: Policy | None) -> bool:
    """Whether AWS lets it pass.

    Raises:
        ValueError: a statement has a part that is not understood here.
    """
    statements = [*identity["Statement"], *(bucket["Statement"] if bucket is not None else ())]
    fitting = [one for one in statements if _fits(one, asked)]
    if any(one["Effect"] == "Deny" for one in fitting):
        return False
    return any(one["Effect"] == "Allow" for one in fitting)


def _fits(one: Mapping[str, Any], asked: Asked) -> bool:
    unknown = one.keys() - _STATEMENT
    if unknown or one["Effect"] not in ("Allow", "Deny") or ("Resource" in one) == ("NotResource" in one):
        raise ValueError(f"A statement that is not understood: {one}")
    if one.get("Principal", "*") != "*":
        raise ValueError(f"A principal that is not understood: {one['Principal']}")
    if not any(_like(asked.action, each, fold=True) for each in _many(one["Action"])):
        return False
    on = any(_like(asked.resource, each) for each in _many(one.get("Resource", one.get("NotResource"))))
    if on == ("NotResource" in one):
        return False
    return all(
        _holds(operator, asked.context.get(key), _many(values))
        for operator, keys in one.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _holds(operator: str, found: str | None, values: list[str]) -> bool:
    if operator == "Null":
        return (found is None) == (values == ["true"])
    if operator.endswith("IfExists"):
        return found is None or _holds(operator.removesuffix("IfExists"), found, values)
    if operator == "StringNotLike":
        return found is None or not any(_like(found, value) for value in values)
    if operator == "StringNotEquals":
        return found is None or found not in values
    if found is None:
        return False
    if operator in ("StringLike", "ArnLike"):
        return any(_like(found, value) for value in values)
    if operator in ("StringEquals", "Bool"):
        return found in values
    raise ValueError(f"A condition that is not understood: {operator}")


def _like(text: str, pattern: str, *, fold: bool = False) -> bool:
    form = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(form, text, re.DOTALL | (re.IGNORECASE if fold else 0)) is not None


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


_CONDITIONS = {
    "if-none-match": "s3:if-none-match",
    "if-match": "s3:if-match",
    "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
}


def asked_by(
    method: str, url: str, headers: Iterable[tuple[str, str]], *, principal: str, tls: bool
) -> Asked:
    """A request of S3's protocol (path style) in the words of policies.

    docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html says which action each is.
    """
    parts = urlsplit(url)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    context = {"aws:SecureTransport": str(tls).lower(), "aws:PrincipalArn": principal}
    given = {name.lower(): value for name, value in headers}
    context |= {ours: given[name] for name, ours in _CONDITIONS.items() if name in given}
    if not key:
        if "prefix" in query:
            context["s3:prefix"] = query["prefix"]
        if method != "GET" or "list-type" not in query:
            raise ValueError(f"A request on the bucket that is not understood: {method} {url}")
        return Asked(
            principal=principal, action="s3:ListBucket", resource=f"arn:aws:s3:::{bucket}", context=context
        )
    if method in ("PUT", "POST"):
        part = "partNumber" in query or "uploads" in query
        context["s3:ObjectCreationOperation"] = str(not part).lower()
    action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject"}.get(method)
    if method == "DELETE":
        action = "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
    return Asked(
        principal=principal,
        action=f"s3:{action}",
        resource=f"arn:aws:s3:::{bucket}/{key}",
        context=context,
    )
