"""Planted bugs of the live service, and of what it captures."""

# ruff: noqa: E501 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug

LIVE_BUGS = (
    Bug(
        "live: the last load is before the last commits",
        "src/eventreplay/live.py",
        (
            ("        late = self._joined([one.name for one in self._captures], until_s, watch)\n        self._loader.end(until_s)\n", '        self._loader.end(until_s)\n        late = self._joined(["load"], until_s, watch)\n        late += self._joined([one.name for one in self._captures], until_s, watch)\n'),
        ),
        ("tests/unit/test_live.py::test_the_end_commits_settles_and_loads_what_is_held",),
    ),
    Bug(
        "live: what a load has seen is taken for loaded",
        "src/eventreplay/loader.py",
        (("        sink = self._opened()\n        try:\n", "        [each.is_at(_number(each.head)) for each in news]\n        sink = self._opened()\n        try:\n"),),
        ("tests/unit/test_live.py::test_the_end_does_not_wait_for_a_warehouse_that_is_away",),
    ),
    Bug(
        "live: a warehouse that is away ends all",
        "src/eventreplay/supervision.py",
        (("                if not isinstance(error, EventReplayError) or not error.retryable:\n", "                if isinstance(error, BaseException):\n"),),
        ("tests/unit/test_live.py::test_a_warehouse_that_is_away_stops_no_capture",),
    ),
    Bug(
        "live: a commit is settled before it is made",
        "src/eventreplay/queue_capture.py",
        (("    admitted = [admit(delivery.batch, limits) for delivery in held.deliveries]\n", "    admitted = [admit(delivery.batch, limits) for delivery in held.deliveries]\n    for delivery in held.deliveries:\n        queue.settle(delivery)\n"),),
        ("tests/unit/test_live.py::test_a_message_is_settled_when_the_log_has_it_and_not_before",),
    ),
    Bug(
        "capture: a first position is passed over",
        "src/eventreplay/capture.py",
        (("        return Position(first - 1) if first else None\n", "        return None\n"),),
        ("tests/unit/test_capture_first.py::test_a_range_is_taken_from_its_first_position_to_its_last",),
    ),
)  # fmt: skip
