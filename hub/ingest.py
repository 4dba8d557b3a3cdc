"""The front door: check against the vocabulary, stamp, drop duplicates, log, and only then say "stored".

Every adapter gets a `Door` of its own. What cannot be used goes to the stream "quarantine" as a `Fault`; an unknown
metric costs its value, not its reading.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hub.config import IngestOptions
from hub.device_clock import without_rollover
from hub.health import Health
from hub.ledger import Counts, Ledger
from hub.log import Log, LogFull
from hub.model import Fault, FaultKind, Forwarded, Message, Reading, Verdict
from hub.moment import SECOND
from hub.registry import Registry
from hub.validation import Validator, no_device_id, unicode, writable

RAW_MAX = 64 << 10
"""Bytes of a frame kept in quarantine; what is longer is cut."""
UNKNOWN_MAX = 10_000
"""Devices remembered that knocked and were not known."""
PACE_WINDOW_NS = 60 * SECOND
PACE_DEVICES_MAX = 200_000
"""Devices counted in one window; beyond it the window starts anew."""


class Knock(msgspec.Struct):
    """A device that the registry does not know, and how often it came."""

    device: str
    adapter: str
    kind: str
    count: int
    first_at: int
    last_at: int


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
    ) -> None:
        self.log = log
        self.health = health or Health(clock)
        self.registry = registry
        self.ledger = ledger
        self.clock = clock
        self.options = options or IngestOptions()
        self.secrets = secrets or {}
        self.validator = Validator(self.options)
        self.recent = Recent(self.options.duplicates_max)
        self.pace = Pace(self.options.readings_per_device_s_max)
        self.knocked: dict[str, Knock] = {}
        self.doors: dict[str, Door] = {}
        self._undated = 0

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

    # ---------------------------------------------------------------------------------------------- for adapters

    def submit(self, messages: Sequence[Message]) -> asyncio.Future[list[Verdict]]:
        """See `hub.ports.Intake`. One group for the log, however many messages."""
        at = self._hub.clock()
        counts = self._counts
        accepted: list[Reading | Forwarded] = []
        faults: list[Fault] = []
        verdicts: list[Verdict] = []
        known = 0  # duplicates: their originals may still be on their way to the disk
        for message in messages:
            counts.frames += 1
            before = len(faults)
            kept = self._admit(message, faults)
            usable = 0
            for reading in message.readings if kept else ():
                counts.received += 1
                if not self._check(reading, at, message.raw, faults):
                    continue
                usable += 1
                if self._hub.recent.knows(reading):
                    counts.duplicate += 1
                    known += 1
                else:
                    accepted.append(reading)
            if message.changes and kept:  # the rules reader knows which of them it passed on before
                counts.received += len(message.changes)
                usable += len(message.changes)
                accepted += [Forwarded(at, self.adapter, change) for change in message.changes]
            for fault in message.faults:
                faults.append(self._stamp(fault, at, message.device, message.raw))
            nothing_used = not usable and (message.readings or message.faults)
            verdicts.append(Verdict.REFUSED if nothing_used or not kept else Verdict.STORED)
            if verdicts[-1] is Verdict.REFUSED:
                message.refused = faults[before:]
        return self._log(accepted, faults, verdicts, known)

    def report(self, state: str, detail: str = "") -> None:
        self.status.report(state, detail)

    def now(self) -> int:
        return self._hub.clock()

    def knows(self, device: str) -> bool:
        return self.admits or device in self._hub.registry.devices

    def attribute(self, device: str, name: str) -> float | str | None:
        found = self._hub.registry.devices.get(device)
        return found.attributes.get(name) if found else None

    # ---------------------------------------------------------------------------------------------- admission

    def _admit(self, message: Message, faults: list[Fault]) -> bool:
        """Whether this device may speak at all. Asked where no reading will be: a login, a registration, a heartbeat."""
        device = message.device
        shows = message.login or message.credential or self._each_proves
        if device is None or (message.readings and not shows):
            return True
        at = self._hub.clock()
        if not self.knows(device):
            self._knock(device, at)
            faults.append(
                self._stamp(
                    Fault(FaultKind.UNKNOWN_DEVICE, f"{device} is not in the registry; it was refused"),
                    at,
                    device,
                    message.raw,
                )
            )
            self._keep_out(message, faults, FaultKind.UNKNOWN_DEVICE, f"{device} is not in the registry", at)
            return False
        expected = self._hub.secrets.get(device) if shows else None
        if expected is not None and not hmac.compare_digest(expected.encode(), message.credential.encode()):
            faults.append(
                self._stamp(
                    Fault(FaultKind.UNAUTHORISED, f"{device} offered a wrong authentication code"), at, device, b""
                )
            )
            self._keep_out(message, faults, FaultKind.UNAUTHORISED, f"{device} is not authenticated", at)
            return False
        return True

    def _keep_out(self, message: Message, faults: list[Fault], kind: FaultKind, why: str, at: int) -> None:
        for reading in message.readings:
            self._counts.received += 1
            self._refuse(reading, kind, why, at, message.raw, faults)

    def _knock(self, device: str, at: int) -> None:
        knocked = self._hub.knocked
        seen = knocked.get(device)
        if seen:
            seen.count += 1
            seen.last_at = at
        elif len(knocked) < UNKNOWN_MAX:
            knocked[device] = Knock(device, self.adapter, self.kind, 1, at, at)

    # ---------------------------------------------------------------------------------------------- one reading

    def _check(self, reading: Reading, at: int, raw: bytes, faults: list[Fault]) -> bool:
        """Stamp the reading and take out what cannot be used. False where nothing is left: it is quarantined."""
        reading.received_at = at
        reading.adapter = self.adapter
        registered = self._hub.registry.devices.get(reading.device)
        clock = self._clock if registered is None else registered.attributes.get("clock", self._clock)
        if reading.observed_at is None or clock == "hub":
            reading.observed_at = self._hub.undated(at)
        elif clock == "gps-week":
            reading.observed_at = without_rollover(reading.observed_at, at)
        if registered is not None:
            reading.kind = registered.kind or reading.kind or self.kind
        else:
            reading.kind = reading.kind or self.kind
            if wrong := no_device_id(reading.device):
                return self._refuse(reading, FaultKind.SYNTAX, wrong, at, raw, faults)
            if not self.admits:
                self._knock(reading.device, at)
                return self._refuse(
                    reading,
                    FaultKind.UNKNOWN_DEVICE,
                    f"{reading.device} is not in the registry (devices.csv), and this adapter quarantines unknown devices",
                    at,
                    raw,
                    faults,
                )
        if not self._hub.pace.allows(reading.device, at):
            limit = self._hub.options.readings_per_device_s_max
            why = f"{reading.device} sent more than {limit:g} readings a second over the last minute ([ingest] readings_per_device_s_max)"
            return self._refuse(reading, FaultKind.RATE, why, at, raw, faults)
        findings = self._hub.validator.check(reading, at)
        for finding in findings or ():
            if finding.whole:
                return self._refuse(reading, finding.kind, finding.detail, at, raw, faults)
            self._count_fault(finding.kind)
            faults.append(Fault(finding.kind, unicode(finding.detail), raw[:RAW_MAX], reading.device, at, self.adapter))
        return True

    # ---------------------------------------------------------------------------------------------- faults

    def _refuse(self, reading: Reading, kind: FaultKind, why: str, at: int, raw: bytes, faults: list[Fault]) -> bool:
        """The whole reading goes to quarantine."""
        self._counts.quarantined += 1
        self._count_fault(kind)
        kept = writable(reading)
        faults.append(Fault(kind, why, raw[:RAW_MAX], kept.device, at, self.adapter, 1, kept))
        return False

    def _stamp(self, fault: Fault, at: int, device: str | None, raw: bytes) -> Fault:
        self._count_fault(fault.kind)
        self._counts.received += fault.readings
        self._counts.quarantined += fault.readings
        return msgspec.structs.replace(
            fault,
            received_at=at,
            adapter=self.adapter,
            device=unicode(fault.device or device or "") or None,
            raw=(fault.raw or raw)[:RAW_MAX],
            detail=unicode(fault.detail),
        )

    def _count_fault(self, kind: str) -> None:
        faults = self._counts.faults
        faults[kind] = faults.get(kind, 0) + 1

    # ---------------------------------------------------------------------------------------------- to the log

    def _log(
        self, accepted: list[Reading | Forwarded], faults: list[Fault], verdicts: list[Verdict], known: int
    ) -> asyncio.Future[list[Verdict]]:
        """The verdicts, as soon as the disk has everything they speak of."""
        done: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._counts.in_flight += len(accepted)
        parts: list[asyncio.Future[int]] = []
        if accepted:
            parts.append(self._hub.log.events.append(accepted))
            parts[0].add_done_callback(lambda appended: self._logged(accepted, appended))
        elif known and (settled := self._hub.log.events.settled()):
            parts.append(settled)
        if faults:
            parts.append(self._hub.log.quarantine.append(faults))
        if not parts:
            done.set_result(verdicts)
            return done
        left = len(parts)
        busy = poison = False

        def part_done(part: asyncio.Future[int]) -> None:
            nonlocal left, busy, poison
            left -= 1
            if part.cancelled() or part.exception() is not None:
                busy = busy or isinstance(part.exception(), LogFull)
                poison = poison or not isinstance(part.exception(), LogFull)
            if left == 0 and not done.done():
                answer = Verdict.BUSY if busy else Verdict.REFUSED
                done.set_result([answer] * len(verdicts) if busy or poison else verdicts)

        for part in parts:
            part.add_done_callback(part_done)
        return done

    def _logged(self, accepted: list[Reading | Forwarded], appended: asyncio.Future[int]) -> None:
        counts = self._counts
        counts.in_flight -= len(accepted)
        if not appended.cancelled() and appended.exception() is None:
            counts.logged += len(accepted)
            if self._log_trouble:
                self._log_trouble = False
                self.report("up", "the log takes input again")
            return
        readings = [entry for entry in accepted if isinstance(entry, Reading)]
        for reading in readings:
            self._hub.recent.forget(reading)
        error = LogFull("the hub is stopping") if appended.cancelled() else appended.exception()
        if isinstance(error, LogFull):
            counts.received -= len(accepted)
            counts.refused += len(accepted)
            self._log_trouble = True
            self.report("degraded", str(error))
            return
        at = self._hub.clock()
        faults: list[Fault] = []
        for entry in accepted:
            if isinstance(entry, Forwarded):
                self._counts.quarantined += 1
                self._count_fault(FaultKind.SYNTAX)
                why = f"{entry.change.alert[:200]}: the change cannot be written down ({error})"
                faults.append(Fault(FaultKind.SYNTAX, unicode(why), b"", None, at, self.adapter, 1))
        for reading in readings:  # a value that passed the checks and cannot be written: never for the device to repeat
            self._refuse(
                reading,
                FaultKind.SYNTAX,
                f"{reading.device}: its reading cannot be written down ({error})",
                at,
                b"",
                faults,
            )
        self._hub.log.quarantine.append(faults)


class Pace:
    """What each device sent in this minute: a flood from one costs its neighbours nothing."""

    def __init__(self, readings_s_max: float) -> None:
        self._most = max(1, round(readings_s_max * PACE_WINDOW_NS / SECOND))
        self._counts: dict[str, int] = {}
        self._until = 0

    def allows(self, device: str, at: int) -> bool:
        if at >= self._until or len(self._counts) > PACE_DEVICES_MAX:
            self._counts.clear()
            self._until = at + PACE_WINDOW_NS
        count = self._counts.get(device, 0) + 1
        self._counts[device] = count
        return count <= self._most


class Recent:
    """Memory of what was taken lately: the same device, time, values and position again is a duplicate.

    It keeps a 64-bit hash of each reading, in two generations of at most half the limit, so that it never grows and
    forgets the oldest first.
    """

    def __init__(self, readings_max: int) -> None:
        self._half = max(1, readings_max // 2)
        self._young: dict[tuple[str, int | None], int] = {}
        self._old: dict[tuple[str, int | None], int] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    def knows(self, reading: Reading) -> bool:
        """Whether this is a duplicate; remembers it if not."""
        key = (reading.device, reading.observed_at)
        content = hash(self._encode((reading.values, reading.position)))
        if self._young.get(key) == content or self._old.get(key) == content:
            return True
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = content
        return False

    def forget(self, reading: Reading) -> None:
        """It was not stored after all."""
        key = (reading.device, reading.observed_at)
        self._young.pop(key, None)
        self._old.pop(key, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
