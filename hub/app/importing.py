"""History in: recordings straight into the store, by the same checks as at the front door.

Not through the log: its stream is the order in which the hub heard things, and the rules act on it. Years of old readings
in it would raise old warnings at the duty desk, fill the disk budget that live data needs, and hold back the store.
So imported readings meet the vocabulary and the registry, go to the store keyed as all others (importing twice is
importing once), and rules see nothing of them; to try rules on them there is `cityhub backtest`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from hub.app.trip_notes import driven, notes
from hub.model import Fault, FaultKind, Message, Reading
from hub.moment import SECOND, to_text
from hub.options import IngestOptions
from hub.recording import Map, lines_of, load_map, read_files
from hub.registry import Registry
from hub.store.lineimport import read_line
from hub.store.outcome import Written
from hub.store.rollups import WIDTHS, RollupStore, denied, parts, remake_touched, touched
from hub.text_files import undecoded
from hub.validation import Validator, no_device_id
from hub.wire import reading_to_json

BATCH = 10_000
STREAM = "import"
"""The store's cursor of imports; nothing reads it."""
LINE_PROTOCOL = (".lp", ".line", ".lp.gz", ".line.gz")
ADAPTER = "import"


class Imported(msgspec.Struct):
    """What became of the readings in the files: stored + refused + replaced = readings, by the store's own answer."""

    readings: int = 0
    stored: int = 0
    refused: int = 0
    """By the front door's checks, or wholly by the store."""
    rollups: int = 0
    faults: dict[str, int] = {}
    rejects: str = ""
    """File with what was refused, one JSON object a line; empty where nothing was."""
    replaced: int = 0
    """Took the place of an earlier reading with the same device, metric and time."""


class Importer:
    """One import. `rejects` is the file that refused readings go to; it is made when there is a first one."""

    def __init__(
        self,
        store: RollupStore,
        registry: Registry,
        options: IngestOptions,
        now: int,
        rejects: Path,
        admit_unknown: bool = False,
    ) -> None:
        self._store, self._registry, self._now, self._rejects = store, registry, now, rejects
        self._latest = now + int(options.future_max_s * SECOND)
        self._validator = Validator(options)
        self._admit = admit_unknown
        self._faults: Counter[str] = Counter()
        self._minutes: dict[str, set[int]] = {}
        self._denied: dict[str, set[int]] = {}
        self._driven: dict[tuple[str, str], set[int]] = {}
        self._written = Written()
        self.done = Imported()

    def run(self, messages: Iterable[Message], progress: Callable[[int], None] = lambda _: None) -> Imported:
        """Store all that can be used, then make the rollups it touches, and the trips of vehicles."""
        batch: list[Reading] = []
        for message in messages:
            for fault in message.faults:
                self.done.readings += fault.readings
                self.done.refused += fault.readings
                self._reject(fault)
            for reading in message.readings:
                self.done.readings += 1
                if self._usable(reading):
                    batch.append(reading)
            if len(batch) >= BATCH:
                self._write(batch)
                batch = []
                progress(self.done.readings)
        self._write(batch)
        for part in parts(self._minutes):
            for width in WIDTHS:
                self.done.rollups += remake_touched(self._store, width, part, self._denied)
                progress(self.done.readings)
        for vehicle, minutes in self._driven.items():
            self._store.write(STREAM, notes(self._store, *vehicle, minutes, self._now), 0, 0)
            progress(self.done.readings)
        progress(self.done.readings)
        self.done.faults = dict(self._faults)
        return self.done

    def _usable(self, reading: Reading) -> bool:
        """The checks of the front door; what is old is welcome here, what is yet to come is not."""
        known = self._registry.devices.get(reading.device)
        reading.adapter = ADAPTER
        reading.kind = (known.kind if known else "") or reading.kind
        at = reading.observed_at
        if at is None:
            return self._refuse(reading, FaultKind.TIME, f"{reading.device}: history without a time")
        if at > self._latest:
            return self._refuse(reading, FaultKind.TIME, f"{reading.device}: {to_text(at)} is yet to come")
        if wrong := no_device_id(reading.device):
            return self._refuse(reading, FaultKind.SYNTAX, wrong)
        if known is None and not self._admit:
            why = f"{reading.device} is not in the registry (devices.csv); --unknown admit takes it all the same"
            return self._refuse(reading, FaultKind.UNKNOWN_DEVICE, why)
        reading.received_at = reading.received_at or at
        for finding in self._validator.check(reading, at) or ():
            if finding.whole:
                return self._refuse(reading, finding.kind, finding.detail)
            self._reject(Fault(finding.kind, finding.detail, device=reading.device))
        return True

    def _write(self, batch: Sequence[Reading]) -> None:
        if not batch:
            return
        refusals = self._store.write(STREAM, batch, 0, 0)
        for refusal in refusals:
            self._reject(Fault(FaultKind.VALUE, f"the store refused it: {refusal.reason}", reading=refusal.reading))
        outcome = self._written.outcome(batch, refusals)
        self.done.stored += outcome.stored.total()
        self.done.refused += outcome.refused.total()
        self.done.replaced += outcome.replaced.total()
        for device, minutes in touched(batch).items():
            self._minutes.setdefault(device, set()).update(minutes)
        for device, minutes in denied(batch).items():
            self._denied.setdefault(device, set()).update(minutes)
        for vehicle, minutes in driven(batch).items():
            self._driven.setdefault(vehicle, set()).update(minutes)

    def _refuse(self, reading: Reading, kind: FaultKind, why: str) -> bool:
        self.done.refused += 1
        self._reject(Fault(kind, why, device=reading.device, readings=1, reading=reading))
        return False

    def _reject(self, fault: Fault) -> None:
        self._faults[str(fault.kind)] += 1
        self.done.rejects = str(self._rejects)
        told = {
            "kind": str(fault.kind),
            "detail": fault.detail,
            "device": fault.device,
            "raw": fault.raw.decode("utf-8", "replace"),
            "reading": None if fault.reading is None else reading_to_json(fault.reading),
        }
        with self._rejects.open("ab") as file:
            file.write(msgspec.json.encode(told) + b"\n")


def rejects_file(data: Path, now: int) -> Path:
    """Where this import's refused readings go, in the hub's data folder."""
    return data / f"import-refused-{to_text(now - now % SECOND).replace(':', '')}.jsonl"


def messages(paths: Sequence[Path], map_file: Path | None = None) -> Iterator[Message]:
    """What the files hold: line protocol by its ending (.lp, .line), else CSV, plain or by a map. Raises `RecordingError`."""
    mapping: Map | None = load_map(map_file) if map_file else None
    tables = [path for path in paths if not path.name.endswith(LINE_PROTOCOL)]
    for path in paths:
        if path not in tables:
            yield from _line_protocol(path)
    if tables:
        yield from (recorded.message for recorded in read_files(tables, mapping))


def _line_protocol(path: Path) -> Iterator[Message]:
    for number, line in enumerate(lines_of(path), 1):
        if isinstance(line, Fault):
            yield Message([], [line])
            continue
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if lost := undecoded(text, "UTF-8"):
                raise ValueError(lost)
            reading = read_line(text)
        except ValueError as error:
            why = f"{path.name} line {number}: {error}"
            yield Message(
                [], [Fault(FaultKind.SYNTAX, why, text.encode("utf-8", "surrogateescape")[:2000], readings=1)]
            )
            continue
        if reading is not None:
            yield Message([reading], [], reading.device)
