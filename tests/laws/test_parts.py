"""Law: parts of the rules that share nothing but bytes in a log, ahead and behind each other, killed and begun anew at random, together say
what one engine says, alert by alert, byte for byte per subject, and derive the same readings."""

from __future__ import annotations

import random
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app.gathering import Gathering
from hub.app.part_worker import Begin, PartWorker, decode, entries_of
from hub.app.parts_number import PARTS, ends, number_in
from hub.app.reuniting import next_of
from hub.backtest.run import Backtest
from hub.model import AlertChange, Device, Edition, Event, Reading, Zone
from rules import hand_over
from rules.book import RuleBook, from_text, load
from rules.desk import Desk, Ended
from rules.edition import registry_from_text, registry_text
from rules.engine import Engine
from rules.hand_over import HandOver
from rules.judge import Judge
from rules.part import PartEngine
from rules.together import Together
from tests.bench.recordings import city_of
from tests.laws.test_partitions import TOWN, book, one_engine, per_subject, strait, town
from tests.played import BY_NAME, city_in, recording_of
from tests.rules.test_resume import BOOK, DEVICES, ZONES, events


class Shared:
    """The log of parts, as bytes."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.writes: dict[int, object] = {}
        """Who has the lease of each part."""


class Life(threading.Thread):
    """One life of one worker, in turns: it runs only between `turn` and its next pause."""

    def __init__(self, city: City, part: int, saved: bytes | None) -> None:
        super().__init__(daemon=True)
        self._city, self._part, self._begin_with = city, part, saved
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self.saved = saved
        self.error: BaseException | None = None
        self._to_end = self._to_save = False
        city.shared.writes[part] = self
        self.through, self.waiting, self.ended = -1, False, False
        self.start()

    # --- the test's side

    def turn(self, save: bool = False) -> None:
        self._to_save |= save
        self._go.release()
        assert self._paused.acquire(timeout=60), "it neither waits nor comes on"
        if self.error is not None:
            raise self.error

    def kill(self) -> None:
        self._to_end = True
        self._go.release()
        self.join(60)

    # --- its own side

    def run(self) -> None:
        try:
            self._pause()
            self._live()
        except Ended:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._paused.release()

    def _live(self) -> None:
        city = self._city
        worker = PartWorker(self._part, self, city.begin, {}, self._begin_with, city.engine)
        while True:
            self.through, self.ended = worker.cursor, worker.ended
            if self._to_save or worker.ended:
                self.saved, self._to_save = worker.saved(), False
            self._pause()
            if worker.ended:
                continue
            few = city.chance.randint(1, city.at_once)
            stream = city.stream[worker.cursor : worker.cursor + few]
            if stream:
                skipped = worker.judge(stream, range(worker.cursor, worker.cursor + len(stream) + 1))
                assert self._city.may_skip or not skipped

    def _pause(self) -> None:
        self._paused.release()
        self._go.acquire()
        if self._to_end:
            raise Ended

    # --- its posts

    def last(self, part: int) -> bytes | None:
        return next((data for by, data in reversed(self._city.shared.messages) if by == part), None)

    def send(self, part: int, message: bytes) -> None:
        shared = self._city.shared
        if shared.writes[part] is not self:
            raise Ended
        shared.messages.append((part, message))

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        messages = self._city.shared.messages
        while wait and len(messages) <= after:
            self.waiting = True
            self._pause()
        self.waiting = False
        return [(number + 1, part, data) for number, (part, data) in enumerate(messages) if number >= after]


class City:
    """Parts over one stream, and who brings together what they say."""

    def __init__(
        self,
        stream: Sequence[Event],
        rules: RuleBook,
        devices: Sequence[Device],
        zones: Sequence[Zone],
        parts: int,
        cell_deg: float,
        seed: int,
        at_once: int = 12,
        engine: bytes = b"",
    ) -> None:
        """`at_once`: events that a worker judges in one go, at most. `engine`: the snapshot of one engine to begin with."""
        self.stream, self.at_once = stream, at_once
        self.begin = Begin(parts, rules.text, registry_text(devices, zones), 0, engine)
        self.changes: list[AlertChange] = []
        self.derived: list[Reading] = []
        self.generations = [parts]
        self.chance = random.Random(seed)
        self._cell_deg = cell_deg
        self.shared = Shared()
        self.killed = self.overtaken = 0
        self.may_skip = False

    def engine(self, desk: Desk, *told: Any) -> PartEngine:
        return PartEngine(desk, *told, cell_deg=self._cell_deg)

    def said(self, kills: float = 0.02) -> tuple[dict[str, list[str]], list[str]]:
        """Run to the end. `kills`: how often a turn kills somebody. (changes by subject, derived readings)."""
        while True:
            if self.begin.parts == 1 and self.begin.generation > 1:
                number = self._judge_in_one()
            else:
                number = self._judge_in_parts(kills)
            if not number:
                break
            self.generations.append(number)
        return per_subject(self.changes), sorted(msgspec.json.encode(reading).decode() for reading in self.derived)

    def _judge_in_one(self) -> int:
        """One engine goes on from where the parts ended. The number of parts that holds behind what it judges."""
        book, registry = from_text(self.begin.rules), registry_from_text(self.begin.registry, {})
        assert book is not None
        assert registry is not None
        count, number = ends(self.stream[self.begin.cursor :], 1)
        until = self.begin.cursor + count
        engine = Engine.restore(self.begin.engine, book, *registry)
        outcome = engine.feed(self.stream[self.begin.cursor : until], range(self.begin.cursor, until))
        assert not outcome.failed
        self.changes += outcome.changes
        self.derived += outcome.derived
        zones = engine.zones
        rows = registry_text(engine.registry.values(), zones)
        self.begin = Begin(number, engine.book.text, rows, until, engine.snapshot(), self.begin.generation + 1)
        return number

    def _judge_in_parts(self, kills: float) -> int:
        """As many lives as there are parts, until all are through, or have come to where another number holds: that number."""
        chance, parts = self.chance, self.begin.parts
        lives = [Life(self, part, None) for part in range(parts)]
        for life in lives:
            life._paused.acquire()
        turns = 0
        while any(life.through < len(self.stream) and not life.ended for life in lives):
            turns += 1
            assert turns < 200 * len(self.stream) + 1000, [(life.through, life.waiting) for life in lives]
            part = chance.randrange(parts)
            if chance.random() < kills:
                self._kill(lives, part)
            else:
                lives[part].turn(save=chance.random() < 0.1)
        for life in lives:
            life.kill()
        until = min(life.through for life in lives)
        together = self._together(self.begin.cursor, until)
        if not lives[0].ended:
            return 0
        number = number_in(self.stream[until - 1])
        self.begin = next_of(self.begin, number, [life.saved or b"" for life in lives], together)
        return number

    def _kill(self, lives: list[Life], part: int) -> None:
        stale = lives[part]
        lives[part] = Life(self, part, stale.saved)
        lives[part]._paused.acquire()
        if self.chance.random() < 0.5:  # it was only stopped, and goes on beside its heir
            lives[part].turn()
            self.overtaken += 1
            for _ in range(3):
                if stale.is_alive():
                    stale.turn()
        stale.kill()
        self.killed += 1

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        return []

    def close(self) -> None:
        pass

    def _together(self, at: int, end: int) -> Together:
        """What was said of these events, brought together some events at a time."""
        told = [(part, entry) for part, data in self.shared.messages for entry in entries_of(decode(data).said)]
        assert len({(part, entry.event, entry.number) for part, entry in told}) == len(told), "said twice"
        told = sorted((one for one in told if one[1].event >= at), key=lambda one: one[1].event)
        gathering = Gathering.begun(self.begin, self)
        while at < end:
            until = min(at + self.chance.randint(1, 20), end)
            count = bisect_left(told, until, key=lambda one: one[1].event)
            outcome = gathering.bring(self.stream[at:until], range(at, until + 1), told[:count])
            self.changes += outcome.changes
            self.derived += outcome.derived
            told, at = told[count:], until
            state = b"".join(gathering.frozen())
            gathering = Gathering.thawed(state, gathering.book, at, self.begin.parts, self)
        return gathering.together


def changing(stream: Sequence[Event], numbers: Sequence[int], chance: random.Random) -> list[Event]:
    """The stream with so many changes of the number of parts, wherever it happens."""
    made = list(stream)
    for number in numbers:
        at = chance.randint(0, len(made))
        before = made[at - 1] if at else None
        when = before.received_at if isinstance(before, Reading) else getattr(before, "at", 0)
        made.insert(at, Edition(when, PARTS, "t", str(number)))
    return made


@given(
    events(),
    st.sampled_from([2, 3, 5]),
    st.sampled_from([0.004, 0.02, 0.25]),
    st.integers(0, 1000),
    st.lists(st.sampled_from([1, 2, 3, 4]), max_size=3),
)
@settings(max_examples=20, deadline=None)
def test_any_stream(stream: list[Event], parts: int, cell_deg: float, seed: int, numbers: list[int]) -> None:
    """Late, repeated, marked and moving readings, deafness, people, new rules and registries, places, rivers, lanes; other numbers of parts."""
    stream = changing(stream, numbers, random.Random(seed))
    seen, expected = one_engine(BOOK, DEVICES, ZONES, stream)
    assert City(seen, BOOK, DEVICES, ZONES, parts, cell_deg, seed).said() == expected


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_cars_that_cross_borders(seed: int, parts: int) -> None:
    listed, zones, stream = town(seed)
    seen, expected = one_engine(book(TOWN), listed, zones, stream)
    city = City(seen, book(TOWN), listed, zones, parts, 0.006, seed)
    assert city.said(kills=0.1) == expected
    assert city.killed >= 5
    assert city.overtaken >= 1


@pytest.mark.parametrize("parts", [2, 3])
def test_vessels_that_meet_at_a_border(parts: int) -> None:
    found = load([], ["maritime"])
    assert isinstance(found, RuleBook)
    stream = changing(strait(), [parts + 1, parts], random.Random(parts))
    seen, expected = one_engine(found, (), (), stream)
    assert any("+" in subject for subject in expected[0])
    assert City(seen, found, (), (), parts, 0.01, parts).said() == expected


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_go_on_from_what_one_engine_knew(parts: int) -> None:
    """Alerts open, memories half full, lanes waiting, groups that others join."""
    listed, zones, stream = town(5)
    seen, _ = one_engine(book(TOWN), listed, zones, stream)
    half = len(seen) // 2
    one = Engine(book(TOWN), listed, zones)
    one.feed(seen[:half])
    saved = one.snapshot()
    assert one.open_alerts()
    expected = one.feed(seen[half:], range(half, len(seen)))
    city = City(seen[half:], book(TOWN), listed, zones, parts, 0.006, parts, engine=saved)
    assert city.said() == (
        per_subject(expected.changes),
        sorted(msgspec.json.encode(reading).decode() for reading in expected.derived),
    )


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_the_number_of_parts_changes_while_cars_cross_borders(seed: int) -> None:
    """Alerts open, memories half full, lanes waiting, groups that others join; from parts to more, to fewer, to one engine and back."""
    listed, zones, stream = town(seed)
    chance = random.Random(seed)
    fifth = len(stream) // 5
    pieces = [stream[at : at + fifth] for at in range(0, len(stream), fifth)]
    stream = [
        event
        for piece, numbers in zip(pieces, ([4], [4], [1], [3], [2], []), strict=False)
        for event in changing(piece, numbers, chance)
    ]
    seen, expected = one_engine(book(TOWN), listed, zones, stream)
    city = City(seen, book(TOWN), listed, zones, 2, 0.006, seed)
    assert city.said(kills=0.1) == expected
    assert city.generations == [2, 4, 1, 3, 2]
    assert city.killed >= 5


@pytest.mark.parametrize("parts", [2, 5])
def test_what_all_parts_know_is_what_one_engine_knows(parts: int) -> None:
    """All of it, but for sums that are kept of the values of a window: they are made where they are first asked for."""
    listed, zones, stream = town(parts)
    third = 2 * len(stream) // 3
    stream = [*stream[:third], *changing(stream[third:], [parts + 1], random.Random(parts))]
    seen, _ = one_engine(book(TOWN), listed, zones, stream)
    city = City(seen, book(TOWN), listed, zones, parts, 0.006, parts)
    city._judge_in_parts(0.02)
    one = Engine(book(TOWN), listed, zones)
    one.feed(seen[: city.begin.cursor])
    assert one.open_alerts()
    assert one.lanes
    known = knows(one.snapshot())
    assert any(subject["past"] for subject in known["subjects"])
    assert knows(city.begin.engine) == known


def knows(snapshot: bytes) -> dict[str, Any]:
    """What a snapshot says."""
    found: dict[str, Any] = msgspec.msgpack.decode(snapshot)
    for subject in found["subjects"]:
        for samples in subject["samples"].values():
            samples[4] = None
    found["lanes"] = [[wait_ns, knows(lane), held, overflowed] for wait_ns, lane, held, overflowed in found["lanes"]]
    return found


def test_a_part_that_has_to_skip_an_event_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect as a car is given away. The part that was to take it waited for ever, and then all did."""
    listed, zones, stream = town(3)
    seen, expected = one_engine(book(TOWN), listed, zones, stream)
    give, failed = hand_over.give, list[str]()

    def fails_once(judge: Judge, name: str, to: int, guest: bool) -> HandOver:
        if not guest and not failed:
            failed.append(name)
            raise RuntimeError("a defect")
        return give(judge, name, to, guest)

    monkeypatch.setattr(hand_over, "give", fails_once)
    city = City(seen, book(TOWN), listed, zones, 3, 0.006, 1)
    city.may_skip = True
    told, _ = city.said(kills=0)
    assert failed
    same = [subject for subject, changes in expected[0].items() if told.get(subject) == changes]
    assert len(same) > len(expected[0]) / 2


@pytest.mark.recordings
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["ais-norway", pytest.param("liverpool-bus", marks=pytest.mark.slow)])
def test_a_recording(name: str) -> None:
    run, seen = BY_NAME[name], list[Event]()
    with city_of(run) as folder:
        city = city_in(folder)
        recording = recording_of(run, folder)
        backtest = Backtest(city, recording.messages, recording.kind, recording.rows)
        feed = backtest._engine.feed
        backtest._engine.feed = lambda events: feed(seen.extend(events) or events)  # type: ignore[func-returns-value,method-assign]
        told = per_subject(backtest.changes())
    devices, zones = list(city.registry.devices.values()), list(city.registry.zones.values())
    seen, expected = one_engine(city.book, devices, zones, seen)
    assert told.keys() == expected[0].keys()
    assert City(seen, city.book, devices, zones, 3, 0.05, 1, at_once=500).said(kills=0.1) == expected
