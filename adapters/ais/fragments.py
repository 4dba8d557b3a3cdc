"""Puts messages together that came in several sentences, never mixing what two receivers heard.

Fragments belong together by the tag block's group, else by station, talker, sequence id, channel and count. They may
come in any order. Where different messages carry the same key at the same time, their fragments join only if the length
of the whole proves it; all others are given up with a fault rather than joined by guess.
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
"""Keys under assembly at one time; the oldest is given up for a new one."""
SHARING_MAX = 4
"""Messages under assembly that share one key."""
TOGETHER_S = 2
TOGETHER_SENTENCES = 200
"""Two messages with one key within both of these may have been mixed; further apart, the key was used anew. A busy feed
uses its ten sequence ids anew within seconds, so no fragment joins one that so many sentences lie behind."""
REPEAT_SENTENCES = 20
"""Another receiver's copy of a fragment follows the first within so many sentences, and within `TOGETHER_S`."""
REMEMBERED_MAX = 256
STATIC_BITS = 424
"""Length of message 5, by far the most frequent one in two sentences."""


class Assembly(msgspec.Struct, gc=False):
    """A message of which some fragments are here."""

    origin: Origin
    heard: int | None
    count: int
    sentences_before: int
    parts: dict[int, bytes]
    fill_bits: int = 0
    raw: bytes = b""
    shared: bool = False
    """Another message had its key at the same time, so a fragment must prove that it belongs here."""

    def whole(self) -> bool:
        return len(self.parts) == self.count

    def payload(self) -> bytes:
        return b"".join(self.parts[number] for number in range(1, self.count + 1))

    def take(self, sentence: Sentence, origin: Origin, raw: bytes) -> None:
        self.parts[sentence.header.number] = sentence.payload
        self.raw = self.raw + b"\r\n" + raw if self.raw else raw
        if sentence.header.number == self.count:
            self.fill_bits = sentence.fill_bits
        known = self.origin
        at = known.at if known.at is not None else origin.at
        self.origin = Origin(known.station or origin.station, at, known.group)

    def accepts(self, sentence: Sentence, together: bool) -> bool:
        """Whether this fragment may join: in order into a key of one's own; else where it makes a whole message 5."""
        number = sentence.header.number
        if number in self.parts:
            return False
        if not self.shared and number > max(self.parts):
            return True
        first = sentence.payload if number == 1 else self.parts.get(1, b"")
        if self.count != 2 or first[:1] != b"5":
            return together and not self.shared
        other = self.parts[1] if number == 2 else self.parts[2]
        fill_bits = sentence.fill_bits if number == 2 else self.fill_bits
        return together and 6 * (len(other) + len(sentence.payload)) - fill_bits == STATIC_BITS


class Fragments:
    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, list[Assembly]] = OrderedDict()
        self._done: OrderedDict[Key, Assembly] = OrderedDict()

    def add(
        self, sentence: Sentence, origin: Origin, heard: int | None, sentences_before: int, raw: bytes
    ) -> Assembly | list[Fault]:
        """The message if it is whole now; else faults, or none while the fragment waits.

        An Assembly that is not whole is the answer for a fragment that another receiver passed on before: a duplicate.
        """
        key = _key(sentence, origin)
        number, count = sentence.header.number, sentence.header.count
        fresh = Assembly(origin, heard, count, sentences_before, {})
        sharing = self._waiting.get(key, [])
        if any(other.parts.get(number) == sentence.payload and _together(other, fresh) for other in sharing):
            return fresh
        faults = [_incomplete(other) for other in sharing if _over(other, fresh, number)]
        sharing = [other for other in sharing if not _over(other, fresh, number)]
        fitting = [other for other in sharing if other.accepts(sentence, _together(other, fresh))]
        if len(fitting) == 1:
            (assembly,) = fitting
        elif self._repeats(key, sentence, fresh):
            return fresh
        elif number > 1 and any(other.shared and number not in other.parts for other in sharing):
            self._keep(key, sharing, faults)
            return [*faults, _crossed(sentence, raw)]
        else:
            assembly = fresh
            sharing.append(assembly)
            for other in sharing:
                other.shared = len(sharing) > 1
        assembly.take(sentence, origin, raw)
        if assembly.whole():
            sharing.remove(assembly)
            self._remember(key, assembly)
        if len(sharing) > SHARING_MAX:
            faults.append(_incomplete(sharing.pop(0)))
        self._keep(key, sharing, faults)
        return assembly if assembly.whole() else faults

    def expire(self, now: int) -> list[Fault]:
        """Faults for messages that have waited too long, oldest first."""
        faults = []
        while self._waiting:
            key, sharing = next(iter(self._waiting.items()))
            newest = sharing[-1].heard
            if newest is None or now - newest <= AGE_MAX_S * SECOND:
                break
            del self._waiting[key]
            faults += [_incomplete(assembly) for assembly in sharing]
        return faults

    def _keep(self, key: Key, sharing: list[Assembly], faults: list[Fault]) -> None:
        if not sharing:
            self._waiting.pop(key, None)
            return
        self._waiting[key] = sharing
        if len(self._waiting) > WAITING_MAX:
            _, oldest = self._waiting.popitem(last=False)
            faults += [_incomplete(assembly) for assembly in oldest]

    def _remember(self, key: Key, assembly: Assembly) -> None:
        self._done[key] = assembly
        self._done.move_to_end(key)
        if len(self._done) > REMEMBERED_MAX:
            self._done.popitem(last=False)

    def _repeats(self, key: Key, sentence: Sentence, fresh: Assembly) -> bool:
        """Whether another receiver's copy of this fragment already went into a whole message just now."""
        done = self._done.get(key)
        if done is None or done.parts[sentence.header.number] != sentence.payload:
            return False
        return _together(done, fresh, REPEAT_SENTENCES)


def _over(earlier: Assembly, later: Assembly, number: int) -> bool:
    """Whether the earlier message's time is up, or this fragment shows that its key is used anew."""
    if not _together(earlier, later, seconds=AGE_MAX_S):
        return True
    return number in earlier.parts and not _together(earlier, later)


def _together(
    earlier: Assembly, later: Assembly, sentences: int = TOGETHER_SENTENCES, seconds: int = TOGETHER_S
) -> bool:
    if later.sentences_before - earlier.sentences_before > sentences:
        return False
    then = earlier.origin.at if earlier.origin.at is not None else earlier.heard
    now = later.origin.at if later.origin.at is not None else later.heard
    return then is None or now is None or abs(now - then) <= seconds * SECOND


def _key(sentence: Sentence, origin: Origin) -> Key:
    header = sentence.header
    shape = (header.talker, header.sequence, header.channel, str(header.count))
    if origin.group is not None:
        return ("group", origin.group[2], *shape)
    return ("station", origin.station or "", *shape)


def _incomplete(assembly: Assembly) -> Fault:
    missing = ", ".join(str(number) for number in range(1, assembly.count + 1) if number not in assembly.parts)
    return Fault(FaultKind.INCOMPLETE, f"sentence {missing} of {assembly.count} never came", assembly.raw)


def _crossed(sentence: Sentence, raw: bytes) -> Fault:
    why = (
        f"two messages share sequence id {sentence.header.sequence or '(none)'} and channel "
        f"{sentence.header.channel or '(none)'} at the same time and this fragment fits neither for certain; "
        "tag blocks with the station (s:) or a group (g:) would tell them apart"
    )
    return Fault(FaultKind.INCOMPLETE, why, raw)
