"""The laws that every codec meets, whatever its protocol: bytes in, messages out; any chunking gives the same messages, no bytes
raise, nothing is buffered without a limit, junk costs one fault, and what a checksum guards is told as it was sent or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.testing.messages import decoded, detail, seen
from hub.app.codecs import codec_of
from hub.app.plugins import Plugins
from hub.model import Message, Reading, Verdict
from hub.moment import from_text
from hub.ports import Codec

NOW = from_text("2026-11-22T12:00:00Z")
FLOOD_CHUNK = 16_384
CPU_S_PER_BYTE = 10e-6
"""For what never becomes a frame: twice what the dearest codec takes, as machines differ; work that grows with the square of a flood is beyond it."""
ANYBODYS = [HealthCheck.differing_executors, HealthCheck.too_slow]
"""A test inherited by several classes runs in each of them; and machines are busy."""


class Seed(NamedTuple):
    """Frames of one protocol. Each of `reports` gives readings by itself, once `before` was heard on the connection."""

    reports: tuple[bytes, bytes]
    before: bytes = b""
    """What opens the session: a login, a birth."""
    checked: bool = True
    """A checksum guards the frame, so that no flipped bit may give another reading."""
    junk: bytes | None = b"\x00 no frame at all \x00"
    """What between two frames costs one fault; None where the codec's input is always one whole payload."""
    pieces: tuple[bytes, ...] = ()
    """Further frames and fragments of them: start marks, wrong lengths, parts of a multi-part message."""
    endless: tuple[bytes, ...] = ()
    """Beginnings of frames that could go on for ever."""
    options: Mapping[str, str] = {}
    """Options of the codec, as `cityhub decode --option` takes them."""
    holds_bytes: int = 200_000
    """What the codec may keep of a frame without an end."""
    junk_bytes: int = 10_000_000
    """How much of plain junk it is fed; less for the codecs of recordings, where every byte may begin a frame."""


def made(protocol: str, seed: Seed) -> Codec:
    """A new codec of an installed protocol, with the options of the seed."""
    return codec_of(Plugins()[protocol], seed.options)


def readings(messages: Iterable[Message]) -> list[Reading]:
    return [reading for message in messages for reading in message.readings]


def faults(messages: Iterable[Message]) -> list[str]:
    return [f"{fault.kind}: {fault.detail}" for message in messages for fault in message.faults]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def everything(seed: Seed) -> bytes:
    """The whole of a seed as one stream: the session, the reports, and every fragment between two good frames."""
    return seed.before + b"".join(piece + report for piece in seed.pieces for report in seed.reports)


def streams(seed: Seed) -> st.SearchStrategy[list[bytes]]:
    """Good frames, their fragments, and bytes that are nothing."""
    good = [*seed.reports, *seed.pieces, *([seed.before] if seed.before else [])]
    return st.lists(st.sampled_from(good) | st.binary(max_size=60), max_size=8)


def usable(codec: Codec, message: Message) -> None:
    for verdict in Verdict:
        answer = codec.reply(message, verdict, NOW)
        assert answer is None or isinstance(answer, bytes)
    json.dumps(detail(message), allow_nan=False)
    msgspec.msgpack.encode(message.readings)
    msgspec.msgpack.encode(message.faults)


def floods(seed: Seed) -> Iterator[tuple[bytes, bytes, int]]:
    """(beginning, what then comes again and again, bytes of it)."""
    yield b"", bytes(FLOOD_CHUNK), seed.junk_bytes
    yield b"", b"junk" * (FLOOD_CHUNK // 4), seed.junk_bytes
    for start in seed.endless:
        yield start, b"a" * FLOOD_CHUNK, 1_000_000
        if start:
            yield b"", start * (FLOOD_CHUNK // len(start)), 300_000


def held_bytes(thing: Any, known: set[int] | None = None) -> int:
    """Bytes and text that an object holds on to, however deep."""
    known = known if known is not None else set()
    if id(thing) in known or isinstance(thing, type):
        return 0
    known.add(id(thing))
    if isinstance(thing, bytes | bytearray | str):
        return len(thing)
    inside: list[Any] = []
    if isinstance(thing, dict):
        inside += [*thing.keys(), *thing.values()]
    elif isinstance(thing, Iterable) and hasattr(thing, "__len__"):
        inside += list(thing)
    inside += list(getattr(thing, "__dict__", {}).values())
    inside += [getattr(thing, slot, None) for kind in type(thing).__mro__ for slot in getattr(kind, "__slots__", ())]
    return sum(held_bytes(item, known) for item in inside)


class CodecLaws:
    """A test class that derives from this and states `protocol` and `seed` holds that protocol's codec to all laws."""

    protocol: ClassVar[str]
    seed: ClassVar[Seed]

    def __init_subclass__(cls) -> None:
        """Laws that do not concern a protocol are none of its tests, rather than skipped ones."""
        if hasattr(cls, "seed") and not cls.seed.checked:
            cls.test_no_flipped_bit_gives_another_reading = None  # type: ignore[assignment, method-assign]
        if hasattr(cls, "seed") and cls.seed.junk is None:
            cls.test_junk_between_frames_costs_one_fault = None  # type: ignore[assignment, method-assign]

    def make(self) -> Codec:
        return made(self.protocol, self.seed)

    def one_by_one(self, payloads: Sequence[bytes]) -> list[Message]:
        """Each payload with an end of its own where the codec takes whole payloads, as a stream otherwise."""
        codec = self.make()
        if self.seed.junk is None:
            return [message for payload in payloads for message in decoded(codec, [payload], NOW)]
        return decoded(codec, payloads, NOW)

    def test_seeds_are_good_frames(self) -> None:
        seed = self.seed
        for report in seed.reports:
            messages = self.one_by_one([seed.before, report])
            assert readings(messages)
            assert not faults(messages)

    def test_byte_by_byte_gives_the_same(self) -> None:
        stream = everything(self.seed)
        whole = seen(decoded(self.make(), [stream], NOW))
        assert seen(decoded(self.make(), [stream[i : i + 1] for i in range(len(stream))], NOW)) == whole

    @settings(max_examples=60, deadline=None, suppress_health_check=ANYBODYS)
    @given(data=st.data())
    def test_any_chunking_gives_the_same_messages(self, data: st.DataObject) -> None:
        stream = b"".join(data.draw(streams(self.seed)))
        places = data.draw(st.lists(st.integers(0, 20_000), max_size=12))
        assert seen(decoded(self.make(), cut(stream, places), NOW)) == seen(decoded(self.make(), [stream], NOW))

    @settings(max_examples=100, deadline=None, suppress_health_check=ANYBODYS)
    @given(data=st.data())
    def test_arbitrary_bytes_never_raise_and_what_comes_out_can_be_logged(self, data: st.DataObject) -> None:
        codec = self.make()
        for piece in data.draw(streams(self.seed)):
            stamp = data.draw(st.sampled_from([None, NOW]))
            ended = codec.end(stamp) if data.draw(st.booleans()) else []
            for message in [*ended, *codec.feed(piece, stamp)]:
                usable(codec, message)
        for message in codec.end():
            usable(codec, message)

    @settings(max_examples=100, deadline=None, suppress_health_check=ANYBODYS)
    @given(data=st.data())
    def test_a_damaged_frame_never_raises(self, data: st.DataObject) -> None:
        seed = self.seed
        frame = bytearray(data.draw(st.sampled_from([seed.before or seed.reports[0], *seed.reports, *seed.pieces])))
        for place, byte in data.draw(
            st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6)
        ):
            frame[place % len(frame)] = byte
        codec = self.make()
        for message in decoded(codec, [seed.before, bytes(frame), seed.reports[0]], NOW):
            usable(codec, message)

    def test_a_frame_cut_short_gives_no_other_reading(self) -> None:
        """Nothing, or (where only the line's end is missing) the very reading that was sent."""
        seed = self.seed
        for report in seed.reports:
            good = readings(self.one_by_one([seed.before, report]))
            for size in range(1, len(report)):
                got = readings(self.one_by_one([seed.before, report[:size]]))
                assert all(reading in good for reading in got), f"{report[:size]!r} gave {got}"

    def test_an_end_keeps_the_session(self) -> None:
        """A frame that the end cuts off becomes a fault; who is at the other end stays known."""
        seed = self.seed
        opening = readings(self.one_by_one([seed.before]))
        expected = readings(self.one_by_one([seed.before, seed.reports[0]]))[len(opening) :]
        codec = self.make()
        codec.feed(seed.before, NOW)
        codec.end(NOW)
        codec.feed(seed.reports[1][:5], NOW)
        assert faults(codec.end(NOW)), "a frame of five bytes vanished without a word"
        assert codec.end(NOW) == []
        assert readings(decoded(codec, [seed.reports[0]], NOW)) == expected

    def test_a_flood_without_a_frame_is_bounded_in_memory_and_time(self) -> None:
        seed = self.seed
        for start, chunk, size in floods(seed):
            codec = self.make()
            began = time.process_time()
            given = len(codec.feed(start, NOW))
            for fed in range(0, size, FLOOD_CHUNK):
                given += len(codec.feed(chunk, NOW))
                if fed % (FLOOD_CHUNK * 8) == 0:
                    assert held_bytes(codec) < seed.holds_bytes, (
                        f"after {start[:20]!r} and {fed} bytes of {chunk[:20]!r}"
                    )
            spent = time.process_time() - began
            assert held_bytes(codec) < seed.holds_bytes
            assert given < size / 8, f"{given} messages of {chunk[:20]!r}"
            assert spent < size * CPU_S_PER_BYTE, f"{start[:20]!r}, then {chunk[:20]!r} without end took {spent} s"

    def test_no_flipped_bit_gives_another_reading(self) -> None:
        seed = self.seed
        for report in seed.reports:
            good = readings(decoded(self.make(), [seed.before, report], NOW))
            for bit in range(len(report) * 8):
                flipped = bytearray(report)
                flipped[bit >> 3] ^= 1 << (bit & 7)
                got = readings(decoded(self.make(), [seed.before, bytes(flipped)], NOW))
                assert all(reading in good for reading in got), f"bit {bit} of {report.hex()} flipped: {got}"

    def test_junk_between_frames_costs_one_fault(self) -> None:
        seed = self.seed
        assert seed.junk is not None
        first, second = seed.reports
        clean = decoded(self.make(), [seed.before, first, second], NOW)
        messages = decoded(self.make(), [seed.before + first + seed.junk + second], NOW)
        assert readings(messages) == readings(clean)
        assert len(faults(messages)) == 1, faults(messages)
