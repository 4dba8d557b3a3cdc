"""Puts messages together that came in several sentences, never mixing what two receivers heard.

Fragments belong together by the tag block's group, else by station, talker, sequence id, channel and count. They may
come in any order. Where two different messages carry the same key at the same time, nobody can tell their later
fragments apart; both are given up with a fault rather than joined by guess.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

import msgspec

from adapters.ais.sentence import Sentence
from adapters.nmea0183.line import Origin
from hub.model import Fault, FaultKind
from hub.moment import SECOND

Key: TypeAlias = tuple[str, ...]

AGE_MAX_S = 30
"""A message waits so long for its missing fragments. Receivers send them back to back."""
WAITING_MAX = 1_000
"""Messages under assembly at one time; the oldest is given up for a new one."""
TOGETHER_S = 2
TOGETHER_SENTENCES = 200
"""Two messages with one key within both of these may have been mixed; further apart, the key was used anew."""
REPEAT_SENTENCES = 20
"""Another receiver's copy of a fragment follows the first within so many sentences, and within `TOGETHER_S`."""
REMEMBERED_MAX = 256


class Assembly(msgspec.Struct, gc=False):
    """A message of which some fragments are here."""

    origin: Origin
    heard: int | None
    count: int
    sentences_before: int
    parts: dict[int, bytes]
    fill_bits: int = 0
    raw: bytes = b""

    def whole(self) -> bool:
        return len(self.parts) == self.count

    def payload(self) -> bytes:
        return b"".join(self.parts[number] for number in range(1, self.count + 1))


class Fragments:
    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, Assembly] = OrderedDict()
        self._done: OrderedDict[Key, Assembly] = OrderedDict()
        self._crossed: OrderedDict[Key, Assembly] = OrderedDict()

    def add(
        self, sentence: Sentence, origin: Origin, heard: int | None, sentences_before: int, raw: bytes
    ) -> Assembly | list[Fault] | None:
        """The message if it is whole now, faults if this fragment can never serve, None while it waits.

        An Assembly whose fragments are not all there is a message whose first fragment was heard before by another
        receiver: a duplicate.
        """
        key = _key(sentence, origin)
        fresh = Assembly(origin, heard, sentence.header.count, sentences_before, {})
        crossed = self._crossed.get(key)
        if crossed is not None:
            if _together(crossed, fresh, TOGETHER_SENTENCES):
                return [_crossed_fault(sentence, raw)]
            del self._crossed[key]
        assembly = self._waiting.get(key)
        faults: list[Fault] = []
        if assembly is None:
            if self._repeats(key, sentence, fresh):
                return Assembly(origin, heard, sentence.header.count, sentences_before, {}, raw=raw)
        elif sentence.header.number in assembly.parts:
            together = _together(assembly, fresh, TOGETHER_SENTENCES)
            if assembly.parts[sentence.header.number] == sentence.payload and together:
                return Assembly(origin, heard, sentence.header.count, sentences_before, {}, raw=raw)
            del self._waiting[key]
            if together:
                _remember(self._crossed, key, fresh)
                return [_crossed_fault(sentence, assembly.raw + b"\r\n" + raw)]
            faults.append(_incomplete(assembly))
            assembly = None
        if assembly is None:
            assembly = self._waiting[key] = fresh
            if len(self._waiting) > WAITING_MAX:
                faults.append(_incomplete(self._waiting.popitem(last=False)[1]))
        self._take(assembly, sentence, origin, raw)
        if assembly.whole():
            del self._waiting[key]
            _remember(self._done, key, assembly)
            return assembly
        return faults or None

    def expire(self, now: int) -> list[Fault]:
        """Faults for messages that have waited too long, oldest first."""
        faults = []
        while self._waiting:
            key, oldest = next(iter(self._waiting.items()))
            if oldest.heard is None or now - oldest.heard <= AGE_MAX_S * SECOND:
                break
            del self._waiting[key]
            faults.append(_incomplete(oldest))
        return faults

    def __len__(self) -> int:
        return len(self._waiting)

    def _take(self, assembly: Assembly, sentence: Sentence, origin: Origin, raw: bytes) -> None:
        assembly.parts[sentence.header.number] = sentence.payload
        assembly.raw = assembly.raw + b"\r\n" + raw if assembly.raw else raw
        if sentence.header.number == sentence.header.count:
            assembly.fill_bits = sentence.fill_bits
        known = assembly.origin
        assembly.origin = Origin(known.station or origin.station, known.at or origin.at, known.group)

    def _repeats(self, key: Key, sentence: Sentence, fresh: Assembly) -> bool:
        """Whether another receiver's copy of this fragment already went into a whole message just now."""
        done = self._done.get(key)
        if done is None or done.parts[sentence.header.number] != sentence.payload:
            return False
        return _together(done, fresh, REPEAT_SENTENCES)


def _together(earlier: Assembly, later: Assembly, sentences: int) -> bool:
    if later.sentences_before - earlier.sentences_before > sentences:
        return False
    then, now = earlier.origin.at or earlier.heard, later.origin.at or later.heard
    return then is None or now is None or abs(now - then) <= TOGETHER_S * SECOND


def _key(sentence: Sentence, origin: Origin) -> Key:
    header = sentence.header
    shape = (header.talker, header.sequence, header.channel, str(header.count))
    if origin.group is not None:
        return ("group", origin.group[2], *shape)
    return ("station", origin.station or "", *shape)


def _remember(memory: OrderedDict[Key, Assembly], key: Key, assembly: Assembly) -> None:
    memory[key] = assembly
    memory.move_to_end(key)
    if len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)


def _incomplete(assembly: Assembly) -> Fault:
    missing = ", ".join(str(number) for number in range(1, assembly.count + 1) if number not in assembly.parts)
    return Fault(FaultKind.INCOMPLETE, f"sentence {missing} of {assembly.count} never came", assembly.raw)


def _crossed_fault(sentence: Sentence, raw: bytes) -> Fault:
    why = (
        f"two messages share sequence id {sentence.header.sequence or '(none)'} and channel "
        f"{sentence.header.channel or '(none)'} "
        "at the same time and cannot be told apart; tag blocks with the station (s:) or a group (g:) would help"
    )
    return Fault(FaultKind.INCOMPLETE, why, raw)
