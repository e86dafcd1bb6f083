"""Writers, zombies, crashes, a flaky store, gc and readers, interleaved at every call of the store.

Each actor runs in a thread that stops before every call of its storage until the machine lets it go on:
so an actor may be left standing (SIGSTOP) for any time at any call, killed there, or told that its call
failed, before or after the effect. Only one thread ever runs; a failing example replays.

The model is the store itself, a dictionary that watches what is done to it, and a history that is known
beforehand: a journal of `COMMITS` ranges, so that the one right tree of bytes is known as well.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventreplay.batch import Batch
from eventreplay.errors import CorruptLogError, FenceError, LogError, LogUnavailableError
from eventreplay.event import Checkpoint, Event
from eventreplay.log import EncodedSegment, Log, PartitionWriter, encode_events

PARTITION = "journal"
COMMITS = 4
WIDTH = 10
STEPS_MAX = 10_000
SEEDS = 150


def _encoded(turn: int) -> EncodedSegment:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        Event(
            event_id=f"e-{turn}-{at}",
            event_type="t",
            payload=b"p",
            occurred_at=moment,
            source_position=turn * WIDTH + at,
        )
        for at in range(2)
    ]
    return encode_events(Batch.from_events(rows).events, turn * 2)


SEGMENTS = [_encoded(turn) for turn in range(COMMITS)]


class KilledError(BaseException):
    """This actor is gone."""


class Store:
    """The model of a store: a dictionary with compare-and-set, which watches the promises."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.openers: list[str] = []  # tokens in the order their writers took the partition over
        self.acknowledged = 0  # commits that some writer was told are done

    def put_new(self, who: Actor, key: str, data: bytes | memoryview) -> bool:
        if key in self.objects:
            return False
        self.objects[key] = bytes(data)
        self._claimed(who, key)
        return True

    def replace(self, who: Actor, key: str, data: bytes, expected: bytes) -> bool:
        found = self.objects.get(key)
        if found != expected:
            return False
        # P4: what is committed is never replaced, and nothing else is but a claim.
        assert "claim" in json.loads(found)
        if "commit" in json.loads(data):
            # P7: only whoever took the partition over last may commit.
            assert self.openers[-1] == json.loads(found)["claim"]["token"]
            # P1, P5: what a commit names is there before the commit is.
            for ref in json.loads(data)["commit"]["segments"]:
                assert len(self.objects[ref["key"]]) == ref["bytes"]
        self.objects[key] = data
        self._claimed(who, key)
        return True

    def discard(self, _: Actor, key: str, expected: bytes) -> bool:
        if self.objects.get(key) != expected:
            return False
        token = json.loads(expected)["claim"]["token"]
        # A writer that gives up what it never used has not been there.
        self.openers = [opener for opener in self.openers if opener != token]
        del self.objects[key]
        return True

    def delete(self, _: Actor, key: str) -> None:
        # P4: no commit goes, and nothing that a commit names.
        assert not key.startswith("commits/")
        assert key not in {ref["key"] for commit in self.commits() for ref in commit["segments"]}
        self.objects.pop(key, None)

    def get(self, _: Actor, key: str) -> bytes | None:
        return self.objects.get(key)

    def keys(self, _: Actor, prefix: str, after: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)

    def folders(self, _: Actor, prefix: str) -> list[str]:
        inside = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return sorted({name.split("/")[0] for name in inside if "/" in name})

    def stale(self, _: Actor, __: str) -> list[str]:
        return []

    def commits(self) -> list[dict[str, Any]]:
        slots = [json.loads(data) for key, data in sorted(self.objects.items()) if key.startswith("commits/")]
        return [slot["commit"] for slot in slots if "commit" in slot]

    def _claimed(self, who: Actor, key: str) -> None:
        slot = self.objects[key]
        if who.opening and key.startswith("commits/") and "claim" in json.loads(slot):
            self.openers.append(json.loads(slot)["claim"]["token"])


class Actor:
    """A thread that makes one call of the store whenever it is told to."""

    def __init__(self, store: Store, run: Callable[[Actor], None]) -> None:
        self.store = store
        self.opening = False
        self.error: BaseException | None = None
        self.done = False
        self.waits_at = ""
        self._order = ""
        # Two plain locks, handed to and fro: several times quicker than semaphores.
        self._go, self._stopped = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._stopped.acquire()
        self._thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def step(self, order: str) -> None:
        """Let the actor make its next call: `go`, or fail or die, `before` or `after` the effect."""
        self._order = order
        self._go.release()
        self._stopped.acquire()
        if self.error is not None:
            raise self.error

    def _run(self, run: Callable[[Actor], None]) -> None:
        try:
            run(self)
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the machine, which raises it
            self.error = error
        self.done = True
        self._stopped.release()

    def call(self, name: str, *args: object) -> object:
        self.waits_at = name
        self._stopped.release()
        self._go.acquire()
        order = self._order
        result = None
        if not order.endswith("before"):
            result = getattr(self.store, name)(self, *args)
        if order.startswith("die"):
            raise KilledError
        if order.startswith("fail"):
            raise LogUnavailableError("The store did not answer.")
        return result


class ActorStorage:
    """`Storage` as one actor sees it: every method goes through `Actor.call`."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        return bool(self._actor.call("put_new", key, data))

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        return bool(self._actor.call("replace", key, data, expected))

    def discard(self, key: str, expected: bytes) -> bool:
        return bool(self._actor.call("discard", key, expected))

    def delete(self, key: str) -> None:
        self._actor.call("delete", key)

    def get(self, key: str) -> bytes | None:
        found = self._actor.call("get", key)
        assert found is None or isinstance(found, bytes)
        return found

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        found = self._actor.call("keys", prefix, after)
        assert isinstance(found, list)
        return iter(found)

    def folders(self, prefix: str) -> list[str]:
        found = self._actor.call("folders", prefix)
        assert isinstance(found, list)
        return found

    def stale(self, prefix: str) -> list[str]:
        found = self._actor.call("stale", prefix)
        assert isinstance(found, list)
        return found


def capture(actor: Actor, tokens: Iterator[str], *, retries: int) -> None:
    """A capture: go on behind the checkpoint to the end of the journal; try a failed commit again."""
    log = Log.open("model", storage=ActorStorage(actor), token_source=lambda: next(tokens))
    known = log.reader(PARTITION).checkpoint()
    if known is not None and known.position // WIDTH + 1 == COMMITS:
        return
    actor.opening = True
    try:
        writer = log.writer(PARTITION, segment_positions=WIDTH)
    finally:
        actor.opening = False
    with writer:
        first = 0 if writer.checkpoint is None else writer.checkpoint.position // WIDTH + 1
        for turn in range(first, COMMITS):
            commit(actor, writer, turn, retries)


def commit(actor: Actor, writer: PartitionWriter, turn: int, retries: int) -> None:
    checkpoint = Checkpoint(source="journal", epoch="e", position=turn * WIDTH + WIDTH - 1)
    for attempt in itertools.count():
        try:
            writer.commit([SEGMENTS[turn]], [], checkpoint)
        except LogUnavailableError:
            if attempt == retries:
                raise
        except FenceError:
            # For ever after: asked again, it does not even look.
            before = dict(actor.store.objects)
            for _ in range(2):
                try:
                    writer.commit([SEGMENTS[turn]], [], checkpoint)
                except FenceError:
                    continue
                raise AssertionError("A fenced writer committed.") from None
            assert actor.store.objects == before
            raise
        else:
            actor.store.acknowledged = max(actor.store.acknowledged, turn + 1)
            return


def collect(actor: Actor) -> None:
    Log.open("model", storage=ActorStorage(actor)).gc()


def read(actor: Actor) -> None:
    """A reader sees a whole prefix of the history, at least as long as what was acknowledged."""
    acknowledged = actor.store.acknowledged
    reader = Log.open("model", storage=ActorStorage(actor)).reader(PARTITION)
    commits = list(reader.commits())
    assert acknowledged <= len(commits)
    for turn, found in enumerate(commits):
        (ref,) = found.segments
        assert (found.number, ref.sha256) == (turn + 1, SEGMENTS[turn].ref.sha256)
        assert actor.store.objects[ref.key] == bytes(SEGMENTS[turn].data)
    head = reader.head()
    assert head is None or head.number >= len(commits)


def guarded(run: Callable[[Actor], None]) -> Callable[[Actor], None]:
    """Errors a caller must expect end an actor; any other is a finding. Damage is always one."""

    def inner(actor: Actor) -> None:
        try:
            run(actor)
        except CorruptLogError:
            raise
        except LogError:
            return

    return inner


def undisturbed() -> dict[str, bytes]:
    store = Store()
    finish(store, iter(["alone"]))
    return store.objects


def finish(store: Store, tokens: Iterator[str]) -> None:
    actor = Actor(store, lambda actor: capture(actor, tokens, retries=0))
    for _ in range(STEPS_MAX):
        if actor.done:
            return
        actor.step("go")
    raise AssertionError("The last run does not end.")


EXPECTED = undisturbed()


KINDS = ["capture", "capture", "stubborn capture", "stubborn capture", "gc", "reader"]
CALLS = ["put_new", "put_new", "replace", "replace", "delete", "discard", "end"]
FATES = ["wait", "wait", "wait", "go", "fail before", "fail after", "die before", "die after"]


class LogMachine(RuleBasedStateMachine):
    """Captures, gc runs and readers, a few at a time, each moved on to where things can go wrong."""

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.actors: dict[int, Actor] = {}
        self.tokens = (f"token-{number}" for number in itertools.count())

    @rule(
        which=st.integers(0, 2),
        kind=st.sampled_from(KINDS),
        until=st.sampled_from(CALLS),
        then=st.sampled_from(FATES),
    )
    def move(self, which: int, kind: str, until: str, then: str) -> None:
        """Start an actor if its place is free; run it to its next call of a name; let that call fare so."""
        actor = self.actors.get(which)
        if actor is None:
            actor = self.actors[which] = Actor(self.store, guarded(self._role(kind)))
        elif not actor.done:
            actor.step("go")
        while not actor.done and actor.waits_at != until:
            actor.step("go")
        if not actor.done and then != "wait":
            actor.step(then)
        if actor.done:
            del self.actors[which]

    def _role(self, kind: str) -> Callable[[Actor], None]:
        if kind == "gc":
            return collect
        if kind == "reader":
            return read
        return lambda actor: capture(actor, self.tokens, retries=3 if kind.startswith("stubborn") else 0)

    @invariant()
    def every_commit_is_the_right_one(self) -> None:
        """P1, P3: what is committed is a prefix of the one history, byte for byte."""
        if not hasattr(self, "store"):
            return
        commits = self.store.commits()
        assert self.store.acknowledged <= len(commits)
        for key, data in self.store.objects.items():
            assert data == EXPECTED.get(key) or (key.startswith("commits/") and "claim" in json.loads(data))

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        for actor in self.actors.values():
            while not actor.done:
                actor.step("die before")
        finish(self.store, self.tokens)
        # A capture that opened a moment before another one was through may have died with its claim
        # behind the end. It is no part of the log; the next writer replaces it.
        behind = self.store.objects.pop(f"commits/{PARTITION}/{COMMITS + 1:020d}.json", None)
        assert behind is None or "claim" in json.loads(behind)
        assert self.store.objects == EXPECTED


LogMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLogMachine = LogMachine.TestCase


def test_the_undisturbed_history_is_what_the_machine_believes() -> None:
    kinds = sorted(key.split("/")[0] for key in EXPECTED)
    assert kinds == ["commits"] * COMMITS + ["events"] * COMMITS + ["format.json"]


def test_seeded_interleavings() -> None:
    """The machine again without its engine: many more schedules in the same time, the same ones each run."""
    for seed in range(SEEDS):
        chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        machine = LogMachine()
        machine.begin()
        for _ in range(40):
            machine.move(
                chance.randrange(3), chance.choice(KINDS), chance.choice(CALLS), chance.choice(FATES)
            )
            machine.every_commit_is_the_right_one()
        machine.teardown()
