"""What `doctor` says of a bucket: each right by itself, and whether the store keeps its conditions.

It writes one small object under a name of its own (`doctor/probe` below the log's prefix) and removes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from eventreplay.errors import ConfigError
from eventreplay.finding import Finding
from eventreplay.log import layout
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.opening import s3_place
from eventreplay.log.s3.settings import S3Settings

_PROBE = b'{"probe":"eventreplay doctor"}'
_PRECONDITION_FAILED = 412
_DENIED = frozenset({401, 403})


def check_s3(url: str, settings: S3Settings | None = None) -> list[Finding]:
    """Look at a bucket as a writer of a log would use it. Never raises for what it finds.

    Args:
        url: `s3://bucket/prefix`.
        settings: as for the log.
    """
    settings = settings or S3Settings()
    try:
        bucket, prefix = s3_place(url)
        client = S3Client(bucket, settings)
    except ConfigError as error:
        return [Finding(name="s3 settings", ok=False, detail=error.message, hint=error.hint)]
    try:
        return _Check(client, prefix, settings).all()
    finally:
        client.close()


class _Check:
    def __init__(self, client: S3Client, prefix: str, settings: S3Settings) -> None:
        self._client = client
        self._prefix = prefix
        self._settings = settings
        self._probe = f"{prefix}/{layout.PROBE_KEY}" if prefix else layout.PROBE_KEY
        self._digest = base64.b64encode(hashlib.sha256(_PROBE).digest()).decode("ascii")
        self.findings: list[Finding] = []

    def all(self) -> list[Finding]:
        self._say("s3 credentials", detail=f"They come from {self._client.provider}.")
        if not self._reach():
            return self.findings
        wrote = self._write()
        if wrote:
            self._read()
            self._multipart()
            self._delete()
        self._advise()
        return self.findings

    def _reach(self) -> bool:
        """Whether it is worth asking on."""
        where = self._settings.endpoint or "AWS"
        name, right = "s3 bucket", "s3:ListBucket"
        try:
            self._call("list_objects_v2", Prefix=f"{self._prefix}/" if self._prefix else "", MaxKeys=1)
        except StoreError as error:
            if error.status in _DENIED and error.code == "AccessDenied":
                self._say(name, detail=f"{self._client.bucket} answers at {where}, {self._client.region}.")
                self._deny(right, error)
                return True
            if error.code == "NoSuchBucket":
                hint = "Create it, or correct the log's URL."
            elif error.status == 0:
                hint = "Check the endpoint, the network and the certificates."
            else:
                hint = "Check the credentials, the region and the endpoint."
            self._say(name, ok=False, detail=f"It cannot be used: {error.status} {error.code}.", hint=hint)
            return False
        self._say(name, detail=f"{self._client.bucket} answers at {where}, {self._client.region}.")
        self._say(right, detail="It is granted.")
        return True

    def _write(self) -> bool:
        right = "s3:PutObject"
        try:
            reply = self._put(IfNoneMatch="*")
        except StoreError as error:
            if error.status in _DENIED:
                self._deny(right, error)
                return False
            if error.status != _PRECONDITION_FAILED:
                self._say(
                    right, ok=False, detail=f"A put failed: {error.status} {error.code}.", hint=_CONDITIONS
                )
                return False
            reply = {}
        self._say(right, detail="It is granted.")
        self._refuses("conditional put", IfNoneMatch="*")
        self._refuses("conditional replace", IfMatch='"00000000000000000000000000000000"')
        if reply.get("ChecksumSHA256") == self._digest:
            self._say("checksums", detail="The store verifies SHA-256.")
        elif reply:
            self._say(
                "checksums", detail="The store keeps no SHA-256; what it stored is compared by its ETag."
            )
        if reply:
            kind = reply.get("ServerSideEncryption")
            self._say(
                "encryption",
                ok=kind is not None,
                detail=f"Objects are encrypted: {kind}."
                if kind
                else "The store does not say that it encrypts.",
                hint="" if kind else 'Set a default encryption on the bucket, or sse = "aws:kms".',
                required=False,
            )
        return True

    def _refuses(self, name: str, **condition: str) -> None:
        """A store that ignores the condition must not hold a log: two writers could overwrite each other."""
        try:
            self._put(**condition)
        except StoreError as error:
            if error.status == _PRECONDITION_FAILED:
                self._say(name, detail="It is honoured.")
            else:
                self._say(name, ok=False, detail=f"It failed: {error.status} {error.code}.", hint=_CONDITIONS)
            return
        self._say(name, ok=False, detail="The store overwrote all the same.", hint=_CONDITIONS)

    def _read(self) -> None:
        right = "s3:GetObject"
        try:
            found = self._call("get_object", Key=self._probe)["Content"]
        except StoreError as error:
            self._deny(right, error)
            return
        same = found == _PROBE
        detail = "It is granted." if same else "The store returned other bytes than it was given."
        self._say(right, ok=same, detail=detail, hint="" if same else "Do not keep a log in this store.")

    def _multipart(self) -> None:
        right = "s3:AbortMultipartUpload"
        try:
            begun = self._call("create_multipart_upload", Key=self._probe)
            self._call("abort_multipart_upload", Key=self._probe, UploadId=begun["UploadId"])
        except StoreError as error:
            self._deny(right, error, required=False)
            return
        self._say(right, detail="It is granted.", required=False)

    def _delete(self) -> None:
        right = "s3:DeleteObject"
        try:
            self._call("delete_object", Key=self._probe)
        except StoreError as error:
            self._deny(right, error, required=False, why="Only `log gc` needs it.")
            return
        self._say(right, detail="It is granted; only `log gc` needs it.", required=False)

    def _advise(self) -> None:
        try:
            found = self._call("get_bucket_versioning").get("Status")
            detail = "It is on: what is overwritten or deleted can be restored."
            if found != "Enabled":
                detail = "It is off: what somebody deletes is gone."
            hint = "" if found == "Enabled" else "aws s3api put-bucket-versioning (see deploy/s3/README.md)."
            self._say("versioning", ok=found == "Enabled", detail=detail, hint=hint, required=False)
        except StoreError as error:
            self._unknown("versioning", "s3:GetBucketVersioning", error)
        try:
            rules = self._call("get_bucket_lifecycle_configuration").get("Rules", [])
        except StoreError as error:
            if error.code != "NoSuchLifecycleConfiguration":
                self._unknown("lifecycle", "s3:GetLifecycleConfiguration", error)
                return
            rules = []
        aborts = any("AbortIncompleteMultipartUpload" in r and r.get("Status") == "Enabled" for r in rules)
        expires = any(_expires(rule, self._prefix) for rule in rules)
        detail = (
            "Incomplete uploads are removed." if aborts else "Incomplete uploads stay for ever, and cost."
        )
        hint = "" if aborts else "Apply deploy/s3/lifecycle.json."
        self._say("lifecycle", ok=aborts, detail=detail, hint=hint, required=False)
        if expires:
            self._say(
                "expiration",
                ok=False,
                detail="A lifecycle rule deletes objects of the log.",
                hint="Limit the rule to another prefix: a log without its first commit cannot be read.",
            )

    def _put(self, **condition: str) -> dict[str, Any]:
        encryption = {"ServerSideEncryption": self._settings.sse, "SSEKMSKeyId": self._settings.kms_key_id}
        given = {name: value for name, value in encryption.items() if value is not None}
        return self._call(
            "put_object", Key=self._probe, Body=_PROBE, ChecksumSHA256=self._digest, **given, **condition
        )

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        for _ in range(2):
            try:
                return self._client.call(operation, **parameters)
            except StoreError as error:
                if not error.transient:
                    raise
        return self._client.call(operation, **parameters)

    def _deny(self, right: str, error: StoreError, *, required: bool = True, why: str = "") -> None:
        detail = f"The store refuses: {error.status} {error.code}. {why}".rstrip()
        self._say(
            right,
            ok=False,
            detail=detail,
            hint=statement(right, self._client.bucket, self._prefix),
            required=required,
        )

    def _unknown(self, name: str, right: str, error: StoreError) -> None:
        self._say(
            name,
            ok=False,
            detail=f"It cannot be seen: {error.status} {error.code}.",
            hint=f"Grant {right} on the bucket to see it here; the log does not need it.",
            required=False,
        )

    def _say(self, name: str, *, ok: bool = True, detail: str, hint: str = "", required: bool = True) -> None:
        self.findings.append(Finding(name=name, ok=ok, detail=detail, hint=hint, required=required))


_CONDITIONS = "Use a store that honours If-None-Match and If-Match on puts; no log can be kept in this one."


def statement(right: str, bucket: str, prefix: str) -> str:
    """The statement of an IAM policy that grants `right`, on one line."""
    below = f"{prefix}/" if prefix else ""
    found: dict[str, Any] = {"Effect": "Allow", "Action": right}
    if right == "s3:ListBucket":
        found["Resource"] = f"arn:aws:s3:::{bucket}"
        if below:
            found["Condition"] = {"StringLikeIfExists": {"s3:prefix": f"{below}*"}}
    else:
        found["Resource"] = f"arn:aws:s3:::{bucket}/{below}*"
    return json.dumps(found)


def _expires(rule: dict[str, Any], prefix: str) -> bool:
    """Whether a rule deletes what stands below the log's prefix."""
    if rule.get("Status") != "Enabled" or "Expiration" not in rule:
        return False
    named = rule.get("Filter", {})
    limit = str(named.get("Prefix", named.get("And", {}).get("Prefix", rule.get("Prefix", ""))))
    own = f"{prefix}/" if prefix else ""
    return own.startswith(limit) or limit.startswith(own)
