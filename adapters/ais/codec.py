"""AIS as receivers send it: lines in, one message a report out. Pure: no socket, no clock."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.ais.fragments import Assembly, Fragments
from adapters.ais.report import detail, parse_report
from adapters.ais.sentence import Header, Sentence, parse_receive_line, parse_sentence, parse_suffix
from adapters.nmea0183.line import (
    LINE_BYTES_MAX,
    NOWHERE,
    Lines,
    Origin,
    oversize,
    parse_tag_block,
    split_tag_block,
)
from hub.model import Fault, FaultKind, Message, Verdict
from hub.moment import SECOND, to_text
from hub.ports import NoOptions

DUPLICATE_S = 10
"""The same payload within this time is the same transmission, heard by another receiver."""
DUPLICATES_MAX = 20_000
"""Payloads remembered for that, twice over."""


class Body(msgspec.Struct, gc=False):
    """The protocol's own view of a report; `detail()` is for people, so that decoding stays cheap."""

    header: Header | None = None
    payload: bytes = b""
    fill_bits: int = 0
    origin: Origin = NOWHERE
    duplicate_of: int | None = None
    """ns of the first copy, where this is a later one; 0 where its time is not known."""
    note: str = ""

    def detail(self) -> dict[str, Any]:
        told: dict[str, Any] = detail(self.payload, self.fill_bits) if self.payload else {}
        if self.header is not None:
            told |= {
                "talker": self.header.talker,
                "channel": self.header.channel,
                "own_ship": self.header.own_ship,
                "sentences": self.header.count,
            }
        if self.origin.station is not None:
            told["station"] = self.origin.station
        if self.origin.at is not None:
            told["station_time"] = to_text(self.origin.at)
        if self.origin.group is not None:
            told["group"] = "-".join(str(part) for part in self.origin.group)
        if self.duplicate_of is not None:
            told["duplicate"] = True
            if self.duplicate_of:
                told["first_heard"] = to_text(self.duplicate_of)
        if self.note:
            told["note"] = self.note
        return told


class AisCodec:
    """`ignored` and `duplicates` count lines and reports that brought no reading for those reasons."""

    def __init__(self, options: NoOptions | None = None) -> None:
        self.ignored = 0
        self.duplicates = 0
        self._lines = Lines()
        self._sentences = 0
        self._fragments = Fragments()
        self._receive_line: Origin | None = None
        self._seen = Seen()

    # ------------------------------------------------------------------------------------------------- the codec's law

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        messages: list[Message] = []
        if received_at is not None:
            messages += [Message([], [fault], raw=fault.raw) for fault in self._fragments.expire(received_at)]
        for line in self._lines.feed(data):
            if len(line) > LINE_BYTES_MAX:
                fault = oversize(line)
                messages.append(Message([], [fault], raw=fault.raw))
            else:
                self._line(line, received_at, messages)
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        """A last line without its line end is a line like any other. Fragments under assembly stay."""
        messages: list[Message] = []
        self._line(self._lines.end(), received_at, messages)
        return messages

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """Nobody answers a broadcast."""
        return None

    # ----------------------------------------------------------------------------------------------------------- lines

    def _line(self, line: bytes, received_at: int | None, messages: list[Message]) -> None:
        start = line.find(b"!")
        if start == 0 and line.count(b"!") == 1:
            self._sentence(line.rstrip(), NOWHERE, [], received_at, messages)
            return
        line = line.strip()
        if not line:
            return
        if start < 0 and not line.startswith(b"\\"):
            self._other_line(line, messages)
            return
        self._mixed_line(line, received_at, messages)

    def _mixed_line(self, line: bytes, received_at: int | None, messages: list[Message]) -> None:
        """A tag block, junk in front, or a sentence that broke off where the next one began."""
        before, mark, rest = line.partition(b"!")
        origin = NOWHERE
        faults: list[Fault] = []
        if before:
            junk, block, after = split_tag_block(before)
            if block:
                origin, faults = parse_tag_block(block)
            if junk or after:
                messages.append(_fault(FaultKind.FRAME, "bytes in front of a sentence that belong to none", before))
        if not mark:
            messages += [Message([], [fault], raw=line) for fault in faults]
            if not before.startswith(b"\\") or faults:
                return
            self.ignored += 1
            messages.append(Message([], [], body=Body(origin=origin, note="a tag block without a sentence"), raw=line))
            return
        *broken, last = rest.split(b"!")
        for piece in broken:
            tail = piece.rfind(b"\\", 0, len(piece) - 1) if piece.endswith(b"\\") else -1
            inner = piece[:tail] if tail >= 0 else piece
            self._sentence(b"!" + inner, origin, faults, received_at, messages)
            origin, faults = parse_tag_block(piece[tail + 1 : -1]) if tail >= 0 else (NOWHERE, [])
        self._sentence(b"!" + last, origin, faults, received_at, messages)

    def _other_line(self, line: bytes, messages: list[Message]) -> None:
        if line.startswith(b"$PGHP,"):
            origin, faults = parse_receive_line(line)
            self._receive_line = None if faults else origin
            if faults:
                messages.append(Message([], faults, raw=line))
        elif line.startswith(b"$") and b"," in line:
            self.ignored += 1
            name = line[1:].partition(b",")[0].decode("ascii", "replace")
            messages.append(Message([], [], body=Body(note=f"{name} is no AIS sentence; ignored"), raw=line))
        elif line.startswith(b'{"class":'):  # gpsd greets in JSON
            self.ignored += 1
            messages.append(Message([], [], body=Body(note="gpsd's JSON; ignored"), raw=line))
        else:
            messages.append(_fault(FaultKind.FRAME, "no NMEA sentence in this line", line))

    # ------------------------------------------------------------------------------------------------------- sentences

    def _sentence(
        self, line: bytes, origin: Origin, faults: list[Fault], received_at: int | None, messages: list[Message]
    ) -> None:
        self._sentences += 1
        sentence = parse_sentence(line)
        if isinstance(sentence, Fault):
            if sentence.kind is FaultKind.UNSUPPORTED:  # another talker's encapsulated sentence, such as !AIABM
                self.ignored += 1
                messages.append(Message([], faults, body=Body(note=sentence.detail, origin=origin), raw=line))
            else:
                messages.append(Message([], [*faults, sentence], raw=line))
            return
        if self._receive_line is not None or sentence.suffix:
            origin = self._placed(sentence, origin)
        if sentence.header.count > 1:
            self._fragment(sentence, origin, line, faults, received_at, messages)
            return
        heard = origin.at if origin.at is not None else received_at
        body = Body(sentence.header, sentence.payload, sentence.fill_bits, origin)
        messages.append(self._report(body, heard, line, faults))

    def _placed(self, sentence: Sentence, origin: Origin) -> Origin:
        """Station and time from the tag block, else the $PGHP line in front, else what stands behind the checksum."""
        if origin is NOWHERE and self._receive_line is not None:
            origin = self._receive_line
        if sentence.header.number == sentence.header.count:
            self._receive_line = None
        if sentence.suffix and (origin.at is None or origin.station is None):
            added = parse_suffix(sentence.suffix)
            at = origin.at if origin.at is not None else added.at
            origin = Origin(origin.station or added.station, at, origin.group)
        return origin

    def _fragment(
        self,
        sentence: Sentence,
        origin: Origin,
        line: bytes,
        faults: list[Fault],
        received_at: int | None,
        messages: list[Message],
    ) -> None:
        heard = received_at if received_at is not None else origin.at
        outcome = self._fragments.add(sentence, origin, heard, self._sentences, line)
        if isinstance(outcome, Assembly) and outcome.whole():
            at = outcome.origin.at if outcome.origin.at is not None else received_at
            whole = Body(sentence.header, outcome.payload(), outcome.fill_bits, outcome.origin)
            messages.append(self._report(whole, at, outcome.raw, faults))
            return
        body = Body(sentence.header, origin=origin)
        body.note = f"sentence {sentence.header.number} of {sentence.header.count}"
        if isinstance(outcome, Assembly):
            self.duplicates += 1
            body.duplicate_of = outcome.origin.at or 0
            outcome = []
        messages.append(Message([], [*faults, *outcome], body=body, raw=line))

    def _report(self, body: Body, at: int | None, raw: bytes, faults: list[Fault]) -> Message:
        device, readings, found = parse_report(body.payload, body.fill_bits, at, raw)
        if at is not None and readings:
            first = self._seen.first(body.payload, at)
            if first is not None:
                self.duplicates += 1
                body.duplicate_of = first
                readings = []
        return Message(readings, faults + found if faults else found, device, body, raw)


class Seen:
    """When each payload was first heard, over the last seconds: two generations, so that memory is bounded."""

    def __init__(self) -> None:
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._since: int | None = None

    def first(self, payload: bytes, at: int) -> int | None:
        """The time of its first copy if that lies within `DUPLICATE_S`, else None; this one is then remembered."""
        then = self._young.get(payload)
        if then is None:
            then = self._old.get(payload)
        if then is not None and abs(at - then) <= DUPLICATE_S * SECOND:
            return then
        if self._since is None or len(self._young) >= DUPLICATES_MAX or abs(at - self._since) > DUPLICATE_S * SECOND:
            self._old, self._young, self._since = self._young, {}, at
        self._young[payload] = at
        return None


def _fault(kind: FaultKind, detail: str, raw: bytes) -> Message:
    return Message([], [Fault(kind, detail, raw)], raw=raw)
