"""GNSS receivers that speak NMEA 0183: sentences in, one message a moment out. Pure: no socket, no clock."""

from __future__ import annotations

from collections import OrderedDict
from datetime import date
from typing import Any

import msgspec

from adapters.nmea0183.epoch import CONSTELLATIONS, FORMS, Epoch, FieldError, Form, next_day, time_of_day
from adapters.nmea0183.line import (
    LINE_BYTES_MAX,
    NOWHERE,
    Lines,
    Origin,
    checksum_fault,
    oversize,
    parse_tag_block,
    split_tag_block,
)
from hub.model import Fault, FaultKind, Message, Verdict
from hub.moment import SECOND

SOURCES_MAX = 1_000
"""Receivers (tag-block sources) on one stream whose moments are put together at one time."""
EPOCH_AGE_MAX_S = 2
"""Sentences of one moment come within this time; receivers report every second or oftener."""
SENTENCES_MAX = 64
"""Sentences of one moment; more are a receiver that never says the time."""


class Body(msgspec.Struct, gc=False):
    """The protocol's own view of a moment."""

    sentences: list[str]
    told: dict[str, Any]
    station: str | None = None

    def detail(self) -> dict[str, Any]:
        return {"sentences": self.sentences, "station": self.station, **self.told}


class Nmea0183CodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Whose receiver it is."""

    device: str | None = None
    """The device all readings belong to. Without it: the tag block's source, else the talker ("nmea0183:GP")."""
    kind: str = "vehicle"
    """"vehicle" gives speed (km/h) and course, "vessel" gives sog (kn) and cog."""

    def __post_init__(self) -> None:
        if self.kind not in ("vehicle", "vessel"):
            raise ValueError(f'kind is "vehicle" or "vessel", not {self.kind!r}')


class Nmea0183Codec:
    """One stream of sentences."""

    def __init__(self, options: Nmea0183CodecOptions) -> None:
        self.ignored = 0
        self._device = options.device
        self._kind = options.kind
        self._lines = Lines()
        self._epochs: OrderedDict[str, Epoch] = OrderedDict()
        self._last: OrderedDict[str, tuple[date, int]] = OrderedDict()

    # ------------------------------------------------------------------------------------------------- the codec's law

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        messages: list[Message] = []
        if received_at is not None:
            self._expire(received_at, messages)
        for line in self._lines.feed(data):
            if len(line) > LINE_BYTES_MAX:
                fault = oversize(line)
                messages.append(Message([], [fault], raw=fault.raw))
            else:
                self._line(line.strip(), received_at, messages)
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        """A last line without its line end is a line like any other, and the moments told so far are complete."""
        messages: list[Message] = []
        self._line(self._lines.end().strip(), received_at, messages)
        for source in list(self._epochs):
            self._close(source, messages)
        return messages

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """Receivers listen to nobody."""
        return None

    # ----------------------------------------------------------------------------------------------------------- lines

    def _line(self, line: bytes, received_at: int | None, messages: list[Message]) -> None:
        if not line:
            return
        origin, start = NOWHERE, line.find(b"$")
        if start < 0:
            self._foreign(line, messages)
            return
        if start > 0:
            junk, block, after = split_tag_block(line[:start])
            faults: list[Fault] = []
            if block:
                origin, faults = parse_tag_block(block)
            if junk or after:
                faults.append(Fault(FaultKind.FRAME, "bytes in front of a sentence that belong to none", line[:start]))
            messages += [Message([], [fault], raw=fault.raw) for fault in faults]
        *broken, last = line[start + 1 :].split(b"$")
        for piece in broken:
            self._sentence(piece, NOWHERE, received_at, messages)
        self._sentence(last, origin, received_at, messages)

    def _foreign(self, line: bytes, messages: list[Message]) -> None:
        if (line.startswith(b"!") and b"," in line) or line.startswith(b'{"class":'):  # gpsd greets in JSON
            self._ignore(line, messages)
        else:
            messages.append(Message([], [Fault(FaultKind.FRAME, "no NMEA sentence in this line", line)], raw=line))

    def _ignore(self, line: bytes, messages: list[Message]) -> None:
        self.ignored += 1
        name = line[1:].partition(b",")[0].decode("ascii", "replace")
        messages.append(Message([], [], body={"note": f"{name} is not read; ignored"}, raw=line))

    def _sentence(self, text: bytes, origin: Origin, received_at: int | None, messages: list[Message]) -> None:
        raw = b"$" + text
        body, star, rest = text.partition(b"*")
        fault = checksum_fault(body, star, rest, raw, "the sentence")
        if fault is not None:
            messages.append(Message([], [fault], raw=raw))
            return
        fields = body.decode("ascii", "replace").split(",")
        form = FORMS.get(fields[0][2:]) if len(fields[0]) == 5 else None
        if form is None:
            self._ignore(raw, messages)
            return
        if len(fields) < form.fields_min:
            why = f"{fields[0]} has {len(fields) - 1} fields, it needs {form.fields_min - 1}"
            messages.append(Message([], [Fault(FaultKind.SYNTAX, why, raw)], raw=raw))
            return
        self._tell(fields, form, raw, origin, received_at, messages)

    # --------------------------------------------------------------------------------------------------------- moments

    def _tell(
        self,
        fields: list[str],
        form: Form,
        raw: bytes,
        origin: Origin,
        received_at: int | None,
        messages: list[Message],
    ) -> None:
        """Add a sentence to its source's moment; another time, or the same sentence again, begins a new one."""
        moment, untold = None, None
        try:
            moment = None if form.time_field is None else time_of_day(fields[form.time_field])
        except FieldError as error:
            untold = Fault(error.kind, f"{fields[0]}: {error}", raw)
        source, name = origin.station or "", fields[0][2:]
        epoch = self._epochs.get(source)
        if epoch is not None:
            another_time = moment is not None and epoch.time_of_day is not None and moment != epoch.time_of_day
            another_time |= (moment is not None and epoch.untold is not None) or (
                untold is not None and epoch.time_of_day is not None
            )
            again = fields[0] in epoch.sentences and not form.repeats
            other = name in epoch.names and not _of_one_receiver(fields[0], epoch)
            again = again or (other and not form.repeats)
            if another_time or again or len(epoch.raw) >= SENTENCES_MAX:
                self._close(source, messages)
                epoch = None
        if epoch is None:
            epoch = self._epochs[source] = Epoch(fields[0][:2], origin, received_at)
            if len(self._epochs) > SOURCES_MAX:
                self._close(next(iter(self._epochs)), messages)
        if untold is not None and epoch.untold is None:
            epoch.untold = untold
            epoch.faults.append(untold)
        if moment is not None:
            epoch.time_of_day = moment
            if not epoch.names & {"RMC", "GGA", "GLL"}:
                epoch.talker = fields[0][:2]
        second = name in epoch.names and not form.repeats
        epoch.names.add(name)
        epoch.sentences.add(fields[0])
        epoch.raw.append(raw)
        try:
            if second:
                epoch.also(form, fields)
            else:
                form.read(epoch, fields)
        except FieldError as error:
            if epoch.untold is None or error.kind is not FaultKind.TIME:  # that its clock shows none is said once
                epoch.faults.append(Fault(error.kind, f"{fields[0]}: {error}", raw))

    def _expire(self, now: int, messages: list[Message]) -> None:
        old = []
        for source, epoch in self._epochs.items():  # in the order in which they began
            if epoch.heard is None:
                continue
            if now - epoch.heard <= EPOCH_AGE_MAX_S * SECOND:
                break
            old.append(source)
        for source in old:
            self._close(source, messages)

    def _close(self, source: str, messages: list[Message]) -> None:
        epoch = self._epochs.pop(source)
        device = self._device or f"nmea0183:{source or epoch.talker}"
        reading = epoch.reading(device, self._kind, self._date(source, epoch))
        for fault in epoch.faults:
            fault.device = device
        if epoch.untold is not None and reading is not None:
            reading.observed_at = None
            epoch.untold.reading, epoch.untold.readings = reading, 1
            reading = None
        sentences = [raw.decode("ascii", "replace") for raw in epoch.raw]
        body = Body(sentences, epoch.told, epoch.origin.station)
        raw = b"\r\n".join(epoch.raw)
        messages.append(Message([] if reading is None else [reading], epoch.faults, device, body, raw))

    def _date(self, source: str, epoch: Epoch) -> date | None:
        """The source's last told date, moved on over midnight, for moments that tell only the time."""
        last = self._last.get(source)
        day = epoch.day
        if day is None and last is not None:
            day = last[0] if epoch.time_of_day is None else next_day(last[0], last[1], epoch.time_of_day)
        if day is not None and epoch.time_of_day is not None:
            self._last[source] = (day, epoch.time_of_day)
            self._last.move_to_end(source)
            if len(self._last) > SOURCES_MAX:
                self._last.popitem(last=False)
        return day


def _of_one_receiver(sentence: str, epoch: Epoch) -> bool:
    """Whether a sentence that this moment has already comes for another constellation of the same receiver."""
    return sentence[:2] in CONSTELLATIONS and epoch.talker in CONSTELLATIONS
