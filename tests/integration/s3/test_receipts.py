"""Receipts in a bucket: one chain, however many keep theirs at once, and whatever becomes of a reply."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from eventreplay.log import Log
from eventreplay.receipts import Receipts, captured, keep
from tests.integration.s3.bucket import Bucket, run

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


def test_many_who_keep_at_once_make_one_chain_in_a_bucket(bucket: Bucket) -> None:
    prefix = bucket.prefix()
    facts = captured(bucket.log(prefix), [run(bucket.log(prefix))])
    before = bucket.plain_log(prefix).sha256()

    def kept(each: int) -> int:
        log = bucket.plain_log(prefix)
        return keep(log, "capture", {**facts, "each": each}, began=MOMENT, ended=MOMENT).number

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(kept, range(12))) == list(range(1, 13))
    log = bucket.plain_log(prefix)
    receipts = Receipts(log)
    assert receipts.verify_chain() == 12
    assert {receipt.facts["each"] for receipt in receipts.list()} == set(range(12))
    assert {part["upto_commit"] for each in receipts.list() for part in each.facts["partitions"]} == {2}
    assert log.check().ok
    assert log.sha256() == before


def test_a_reply_that_is_lost_makes_no_second_receipt(bucket: Bucket) -> None:
    prefix = bucket.prefix()
    log: Log = bucket.log(prefix)
    run(log)
    bucket.shim.reset()
    bucket.shim.fail("lost", operation="PutObject", key="receipts/")
    assert keep(log, "capture", {}, began=MOMENT, ended=MOMENT).number == 1
    bucket.shim.reset()
    assert [receipt.number for receipt in Receipts(bucket.plain_log(prefix)).list()] == [1]
