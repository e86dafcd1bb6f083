"""Where receipts stand beside a log: numbered, sealed, each naming the SHA-256 of the one before it.

    receipts/<number, 20 digits>.json

They have clocks in them, so they stand outside of the chain of commits and of the log's hash: logs that are
equal have other receipts. Nobody holds this folder: who finds the next slot taken takes the one behind it.
What a receipt says is for `eventreplay.receipts`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from attrs import frozen

from eventreplay.errors import CorruptLogError, LogUnavailableError
from eventreplay.log import layout
from eventreplay.log.sealing import corrupted, sealed, unsealed
from eventreplay.log.storage import Storage

FOLDER = "receipts"
SLOT_ATTEMPTS_MAX = 1000
"""Slots that others may take before us while we keep one receipt."""


@frozen(kw_only=True)
class Slot:
    """One receipt as it stands: its number, its hash, its predecessor's, and what it says."""

    number: int
    previous: str
    sha256: str
    body: Mapping[str, object]


class ReceiptBook:
    """The receipts of one log. Cheap to make; nothing is read before it is asked for.

    Args:
        storage: the log's store.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, body: Mapping[str, object]) -> Slot:
        """Keep `body` under the next free number; durable on return.

        `body` must differ from every other one, as it does with a random word in it: a slot with our own
        bytes means that a lost reply had told of success.

        Raises:
            LogUnavailableError: the store failed, or too many others kept theirs meanwhile.
        """
        last, number = 0, 0
        for key in self._storage.keys(f"{FOLDER}/"):
            number = layout.commit_number(key) or number
        for last in range(number, number + SLOT_ATTEMPTS_MAX):
            previous = self._sha256(last)
            said = {**body, "number": last + 1, "previous": previous}
            data = sealed("receipt", said)
            key = receipt_key(last + 1)
            if self._storage.put_new(key, data) or self._storage.get(key) == data:
                sha256 = hashlib.sha256(data).hexdigest()
                return Slot(number=last + 1, previous=previous, sha256=sha256, body=said)
        raise LogUnavailableError(
            f"{SLOT_ATTEMPTS_MAX} other receipts were kept while this one was to be.",
            hint="Something writes receipts without end; find out what.",
            key=receipt_key(last + 1),
        )

    def numbers(self, after: int = 0) -> Iterator[int]:
        """Numbers of the receipts that stand, ascending, greater than `after`."""
        for key in self._storage.keys(f"{FOLDER}/", receipt_key(after)):
            if is_receipt_key(key):
                yield layout.commit_number(key) or 0

    def read(self, number: int) -> Slot | None:
        """One receipt, its seal verified; None if it does not exist.

        Raises:
            CorruptLogError: its bytes are not those that were kept.
        """
        key = receipt_key(number)
        data = self._storage.get(key)
        if data is None:
            return None
        _, body = unsealed(key, data, ("receipt",), "no receipt")
        previous = body.get("previous")
        if body.get("number") != number or not isinstance(previous, str):
            raise corrupted(key, "it belongs to another slot")
        sha256 = hashlib.sha256(data).hexdigest()
        return Slot(number=number, previous=previous, sha256=sha256, body=body)

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """What does not hold of the chain: key, kind as `log check` names it, what was seen.

        Taken away at the end, receipts are a shorter chain: that cannot be seen from inside.
        """
        at = 0
        for number in self.numbers():
            key = receipt_key(number)
            if number != at + 1:
                yield receipt_key(at + 1), "missing", f"receipts {at + 1} to {number - 1} are missing"
            try:
                slot = self.read(number)
            except CorruptLogError as error:
                yield key, "damaged", str(error.fields.get("detail", "it is not JSON"))
            else:
                if slot is not None and number == at + 1 and slot.previous != self._sha256(at):
                    yield key, "chain", "it names another predecessor"
            at = number

    def _sha256(self, number: int) -> str:
        """Of the bytes in a slot, whatever they are: a damaged receipt stops nobody from keeping theirs."""
        data = None if number == 0 else self._storage.get(receipt_key(number))
        return layout.GENESIS if data is None else hashlib.sha256(data).hexdigest()


def receipt_key(number: int) -> str:
    """The slot of a receipt."""
    return f"{FOLDER}/{number:020d}.json"


def is_receipt_key(key: str) -> bool:
    """Whether `key` is that of a receipt."""
    folder, _, name = key.rpartition("/")
    return folder == FOLDER and layout.commit_number(name) is not None
