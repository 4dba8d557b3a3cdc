"""The front door: check against the vocabulary, stamp, drop duplicates, log, and only then say "stored".

Every adapter gets a `Door` of its own. What cannot be used goes to the stream "quarantine" as a `Fault`; an unknown
metric costs its value, not its reading.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hub.bilingual import NOTHING, Text
from hub.device_clock import without_rollover
from hub.duplicates import Recent, key_everywhere, key_here
from hub.error_words import words_of
from hub.faults import Shares
from hub.health import Health
from hub.knocks import Knocks
from hub.ledger import Counts, Ledger
from hub.model import Device, Event, Fault, FaultKind, Forwarded, Message, Reading, Verdict
from hub.moment import SECOND
from hub.options import IngestOptions
from hub.pace import Pace
from hub.ports import STOPPING, Elsewhere, Key, Log, LogFull, LogPosition, Unwritable, behind
from hub.registry import Registry
from hub.stages import Journey
from hub.submission import Submission
from hub.validation import Validator, no_device_id, unicode

SLICE = 2_000
"""Readings and values that are checked in one go; other tasks get their turn after so many (some milliseconds)."""


class Ingest:
    """What all doors share: the log, the registry, the clock and the memory of duplicates."""

    def __init__(
        self,
        log: Log,
        registry: Registry,
        ledger: Ledger,
        clock: Callable[[], int],
        options: IngestOptions | None = None,
        secrets: Mapping[str, str] | None = None,
        health: Health | None = None,
        slices: bool = True,
        journey: Journey | None = None,
    ) -> None:
        """`slices=False`: large groups are checked in one go, for a recording whose ticks must not overtake its readings; and what a device
        may send is counted by the recording's own minutes."""
        self.log = log
        self.health = health or Health(clock)
        self.registry = registry
        self.ledger = ledger
        self.clock = clock
        self.options = options or IngestOptions()
        self.secrets = secrets or {}
        self.slices = slices
        self.journey = journey
        self.validator = Validator(self.options)
        self.recent = Recent(self.options.duplicates_max)
        self.key: Callable[[Reading], Key] = key_everywhere if log.events.shared else key_here
        self.under_way: dict[Key, Submission] = {}
        """Readings on their way to the disk, and the group whose future tells whether they got there."""
        self.pace = Pace(self.options.readings_per_device_s_max, time.monotonic_ns if slices else clock)
        self.shares = Shares(log.quarantine.bytes_max)
        self.knocked = Knocks()
        self.doors: dict[str, Door] = {}
        self._undated = 0

    def remember(self, entries: Iterable[Event]) -> None:
        """What the log took before the hub was stopped: a device that heard no answer sends it again, and it is a duplicate."""
        for entry in entries:
            if type(entry) is Reading:
                self.recent.knows(self.key(entry))

    def heard(self, others: Elsewhere) -> list[Reading]:
        """What other nodes have put into the log. A device that gave up one node and came to another has its reading there once: gives
        those on their way here that the log has already, which are duplicates after all. What the others' readings say is looked at only
        where they have not told their keys."""
        keys = others.keys
        if keys is None:
            keys = [self.key(entry) for entry in others.batch.entries if type(entry) is Reading]
        there: list[Reading] = []
        for key in self.under_way.keys() & keys:
            group = self.under_way[key]
            if key not in group.there:
                group.there.add(key)
                there.append(group.keys[key])
        self.recent.learn(keys)
        return there

    def undated(self, at: int) -> int:
        """The observed time of a reading that brings none: now, a nanosecond apart from the one before it.

        Readings are keyed by device, metric and time: two that arrive in one group must not become one.
        """
        self._undated = self._undated + 1 if 0 <= self._undated - at < SECOND else at
        return self._undated

    def door(
        self,
        adapter: str,
        kind: str = "",
        unknown_devices: str = "quarantine",
        proof: str = "",
        clock: str = "device",
    ) -> Door:
        """The intake of one adapter. `kind` is what its feed brings by itself, `proof` how its devices show their secrets, `clock` whose
        time their readings have (`hub.device_clock`)."""
        door = Door(self, adapter, kind, unknown_devices, proof, clock)
        self.doors[adapter] = door
        return door


class Door:
    """`hub.ports.Intake` for one adapter."""

    def __init__(
        self, ingest: Ingest, adapter: str, kind: str, unknown_devices: str, proof: str = "", clock: str = "device"
    ) -> None:
        self._clock = clock
        self.adapter = adapter
        self._each_proves = proof == "message"
        self.kind = kind
        self.admits = unknown_devices == "admit"
        self.status = ingest.health.part(f"adapter/{adapter}")
        self._hub = ingest
        self._counts: Counts = ingest.ledger.of(adapter)
        self._log_trouble = False
        self._slicing: asyncio.Event | None = None
        """Of the last group that is checked in slices: set once the log has it, or nobody wants it any more. None where none is."""

    # ---------------------------------------------------------------------------------------------- for adapters

    def submit(self, messages: Sequence[Message]) -> asyncio.Future[list[Verdict]]:
        """See `hub.ports.Intake`. One group for the log, however many messages."""
        group = Submission(self._hub.clock(), self.adapter)
        if self._hub.journey is not None:
            group.received_at = self._hub.journey.clock()
        checking = self._sift(messages, group)
        if self._slicing is None and next(checking, True):  # all of it is checked: the usual case
            return self._log(group)
        before, over = self._slicing, asyncio.Event()
        self._slicing = over
        slicing = asyncio.ensure_future(self._in_slices(checking, group, before, over))
        slicing.add_done_callback(lambda _: self._given_up(group, over))
        return slicing

    async def _in_slices(
        self, checking: Iterator[bool], group: Submission, before: asyncio.Event | None, over: asyncio.Event
    ) -> list[Verdict]:
        """The rest of a large group, with turns for other tasks between. What came after it waits: the log keeps the order."""
        await (before.wait() if before is not None else asyncio.sleep(0))
        for _ in checking:
            await asyncio.sleep(0)
        logging = self._log(group)
        self._hand_over(over)
        return await logging

    def _hand_over(self, over: asyncio.Event) -> None:
        """The next group may go on."""
        over.set()
        if self._slicing is over:
            self._slicing = None

    def _given_up(self, group: Submission, over: asyncio.Event) -> None:
        """Where a large group was cancelled before the log had it, it is as if it had not come."""
        if over.is_set():
            return
        self._hand_over(over)
        if group.accepted:
            self._forget(group)
            self._failed(group, LogFull(STOPPING))

    def _sift(self, messages: Sequence[Message], group: Submission) -> Iterator[bool]:
        """Sort what came into what goes to the log, what to quarantine, and what is known; yields False after each slice."""
        counts, faults, verdicts, accepted = group.counts, group.faults, group.verdicts, group.accepted
        keys, recent, under_way, key_of = group.keys, self._hub.recent, self._hub.under_way, self._hub.key
        self._hub.pace.look()
        weight = 0
        for message in messages:
            counts.frames += 1
            entries_before, accepted_before = len(faults.entries), len(accepted)
            faults.begin(message.raw)
            if message.faults:
                self._time_of_the_hub(message)
            kept = self._admit(message, group)
            usable = 0
            for reading in message.readings if kept else ():
                weight += 1 + len(reading.values)
                if weight > SLICE and self._hub.slices:
                    weight = 0
                    yield False
                if not self._check(reading, group):
                    continue
                usable += 1
                key = key_of(reading)
                if recent.knows(key):
                    counts.duplicate += 1
                    if key in under_way:
                        group.others.add((len(verdicts), under_way[key].appended()))
                else:
                    accepted.append(reading)
                    keys[key] = reading
                    under_way[key] = group
            if message.changes and kept:  # the rules reader knows which of them it passed on before
                usable += len(message.changes)
                accepted += [Forwarded(group.at, self.adapter, change) for change in message.changes]
            counts.received += usable
            if len(accepted) > accepted_before:
                group.accepted_of.append(len(verdicts))
            for fault in message.faults:
                counts.count_fault(fault.kind, fault.count)
                counts.received += fault.readings
                counts.quarantined += fault.readings
                device = fault.device or message.device
                faults.add(fault.kind, fault.detail, device, fault.readings, None, fault.raw, fault.count)
            faults.close()
            nothing_used = not usable and (message.readings or message.faults)
            verdicts.append(Verdict.REFUSED if nothing_used or not kept else Verdict.STORED)
            if verdicts[-1] is Verdict.REFUSED:
                message.refused = faults.entries[entries_before:]

    def rest_s(self) -> float:
        return self._hub.log.events.rest_s()

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        self.status.report(state, why)

    def now(self) -> int:
        return self._hub.clock()

    def knows(self, device: str) -> bool:
        return self.admits or device in self._hub.registry.devices

    def takes(self, reading: Reading) -> bool:
        """Whether something of this reading would be taken now. Nothing is counted or kept; the reading may be changed."""
        at = self._hub.clock()
        registered = self._hub.registry.devices.get(reading.device)
        self._date(reading, self._clock_of(registered), at)
        if registered is None and self._no_right_to_speak(reading, at, look_only=True):
            return False
        return not any(finding.whole for finding in self._hub.validator.check(reading, at) or ())

    def attribute(self, device: str, name: str) -> float | str | None:
        found = self._hub.registry.devices.get(device)
        return found.attributes.get(name) if found else None

    # ---------------------------------------------------------------------------------------------- admission

    def _admit(self, message: Message, group: Submission) -> bool:
        """Whether this device may speak at all. Asked where no reading will be: a login, a registration, a heartbeat."""
        device = message.device
        shows = message.login or message.credential or self._each_proves
        if device is None or (message.readings and not shows):
            return True
        if not self.knows(device):
            self._hub.knocked.note(device, self.adapter, self.kind, group.at)
            group.counts.count_fault(FaultKind.UNKNOWN_DEVICE)
            group.faults.add(
                FaultKind.UNKNOWN_DEVICE, f"{device} is not in the registry; it was refused", unicode(device)
            )
            self._keep_out(message, group, FaultKind.UNKNOWN_DEVICE, f"{device} is not in the registry")
            return False
        expected = self._hub.secrets.get(device) if shows else None
        if expected is not None and not hmac.compare_digest(expected.encode(), message.credential.encode()):
            group.counts.count_fault(FaultKind.UNAUTHORISED)
            group.faults.begin(b"")  # its bytes may hold another device's code
            group.faults.add(FaultKind.UNAUTHORISED, f"{device} offered a wrong authentication code", device)
            group.faults.begin(message.raw)
            self._keep_out(message, group, FaultKind.UNAUTHORISED, f"{device} is not authenticated")
            return False
        return True

    def _keep_out(self, message: Message, group: Submission, kind: FaultKind, why: str) -> None:
        for reading in message.readings:
            self._refuse(reading, kind, why, group)

    # ---------------------------------------------------------------------------------------------- one reading

    def _check(self, reading: Reading, group: Submission) -> bool:
        """Stamp the reading and take out what cannot be used. False where nothing is left: it is quarantined."""
        hub = self._hub
        at = reading.received_at = group.at
        reading.adapter = self.adapter
        registered = hub.registry.devices.get(reading.device)
        reading.kind = (registered.kind if registered is not None else "") or reading.kind or self.kind
        clock = self._clock_of(registered)
        if clock != "device" or reading.observed_at is None:
            self._date(reading, clock, at)
        if registered is None and (wrong := self._no_right_to_speak(reading, at)):
            return self._refuse(reading, *wrong, group)
        if not hub.pace.allows(reading.device):
            limit = hub.options.readings_per_device_s_max
            why = f"{reading.device} sent more than {limit:g} readings a second over the last minute ([ingest] readings_per_device_s_max)"
            return self._refuse(reading, FaultKind.RATE, why, group)
        findings = hub.validator.check(reading, at, group.faults.brief)
        if findings is None:  # nearly always
            return True
        for finding in findings:
            if finding.whole:
                return self._refuse(reading, finding.kind, finding.detail, group)
            group.counts.count_fault(finding.kind)
            group.faults.add(finding.kind, finding.detail, reading.device)
        return True

    def _time_of_the_hub(self, message: Message) -> None:
        """What was said under a time that is none joins the other readings where the hub's time counts."""
        for fault in message.faults[:]:
            if fault.kind is not FaultKind.TIME or fault.reading is None:
                continue
            if self._clock_of(self._hub.registry.devices.get(fault.reading.device)) == "hub":
                message.faults.remove(fault)
                message.readings.append(fault.reading)

    def _clock_of(self, registered: Device | None) -> float | str:
        """The clock that the device, or else this door, is to go by (`hub.device_clock`)."""
        return self._clock if registered is None else registered.attributes.get("clock", self._clock)

    def _date(self, reading: Reading, clock: float | str, at: int) -> None:
        """Give the reading the time that it has by that clock."""
        if reading.observed_at is None or clock == "hub":
            reading.observed_at = self._hub.undated(at)
        elif clock == "gps-week":
            reading.observed_at = without_rollover(reading.observed_at, at)

    def _no_right_to_speak(self, reading: Reading, at: int, look_only: bool = False) -> tuple[FaultKind, str] | None:
        """Why readings of this device, which is not in the registry, are not taken here, None where they are."""
        if wrong := no_device_id(reading.device):
            return FaultKind.SYNTAX, wrong
        if self.admits:
            return None
        if not look_only:
            self._hub.knocked.note(reading.device, self.adapter, self.kind, at)
        return (
            FaultKind.UNKNOWN_DEVICE,
            f"{reading.device} is not in the registry (devices.csv), and this adapter quarantines unknown devices",
        )

    # ---------------------------------------------------------------------------------------------- faults

    def _refuse(self, reading: Reading, kind: FaultKind, why: str, group: Submission) -> bool:
        """The whole reading goes to quarantine."""
        group.counts.received += 1
        group.counts.quarantined += 1
        group.counts.count_fault(kind)
        group.faults.add(kind, why, reading.device, 1, reading)
        return False

    def _quarantine(self, faults: list[Fault]) -> asyncio.Future[LogPosition] | None:
        """Have these written down, as far as there is room and they have not used up their share. What is good never waits
        for that, or fails by it: a fault without a place is counted, and that is all."""
        kept, left_out = self._hub.shares.admit(faults, time.monotonic_ns())
        self._counts.unkept += left_out
        if not kept:
            return None
        ledger = self._hub.ledger
        ledger.faults_on_their_way(self.adapter, kept)
        written = self._hub.log.quarantine.append(kept)

        def done(written: asyncio.Future[LogPosition]) -> None:
            lost = written.cancelled() or written.exception() is not None
            ledger.faults_written(self.adapter, kept, None if lost else behind(written.result(), len(kept)))
            if lost:
                self._counts.unkept += sum(fault.count for fault in kept if not fault.by)

        written.add_done_callback(done)
        return written

    # ---------------------------------------------------------------------------------------------- to the log

    def _log(self, group: Submission) -> asyncio.Future[list[Verdict]]:
        """The verdicts, as soon as the disk has everything they speak of."""
        self._counts.add(group.counts)
        if group.accepted:
            self._counts.in_flight += len(group.accepted)
            written = self._hub.log.events.append(group.accepted, group.keys)
            written.add_done_callback(lambda written: self._logged(group, written))
        if group.faults.entries and (noted := self._quarantine(group.faults.entries)):
            group.others.add((None, noted))
        group.wait()
        return group.settled

    def _forget(self, group: Submission) -> None:
        """Nothing of the group is on its way any more."""
        for key in group.keys:
            if self._hub.under_way.get(key) is group:
                del self._hub.under_way[key]

    def _failed(self, group: Submission, error: BaseException) -> None:
        """What was accepted is not on disk: it may come again, and whoever waits for it as an original learns of it."""
        for key in group.keys.keys() - group.there:
            self._hub.recent.forget(key)
        group.failed(error)

    def _logged(self, group: Submission, written: asyncio.Future[LogPosition]) -> None:
        counts = self._counts
        accepted = group.accepted
        counts.in_flight -= len(accepted)
        self._forget(group)
        error = LogFull(STOPPING) if written.cancelled() else written.exception()
        if error is None:
            count = len(accepted) - len(group.there)
            counts.duplicate += len(group.there)
            after = behind(written.result(), count)
            self._hub.ledger.logged(self.adapter, count, after)
            if self._hub.journey is not None:
                self._hub.journey.logged(self.adapter, group.received_at, accepted, after)
            group.logged(written.result())
            if self._log_trouble:
                self._log_trouble = False
                self.report("up", Text("the log takes input again", "日志恢复接收数据"))
            return
        self._failed(group, error)
        if not isinstance(error, Unwritable):
            counts.received -= len(accepted)
            counts.refused += len(accepted)
            self._log_trouble = True
            self.report("degraded", words_of(error))
            return
        counts.received -= len(accepted)
        faults = Submission(self._hub.clock(), self.adapter)
        for entry in accepted:
            if isinstance(entry, Forwarded):
                faults.counts.received += 1
                faults.counts.quarantined += 1
                faults.counts.count_fault(FaultKind.SYNTAX)
                why = f"{entry.change.alert[:200]}: the change cannot be written down ({error})"
                faults.faults.add(FaultKind.SYNTAX, why, None, 1)
            else:  # a value that passed the checks and cannot be written: never for the device to repeat
                why = f"{entry.device}: its reading cannot be written down ({error})"
                self._refuse(entry, FaultKind.SYNTAX, why, faults)
        faults.faults.close()
        counts.add(faults.counts)
        self._quarantine(faults.faults.entries)
