"""Law 2: what every codec owes, whatever its protocol. One suite over all codecs of `hub.app.plugins`.

Bytes in, messages out: any chunking gives the same messages, no bytes raise, nothing is buffered without a limit, junk costs one
fault, and what a checksum guards is either told as it was sent or not at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app.plugins import Plugins
from hub.model import Message, Reading, Verdict
from hub.moment import from_text
from hub.ports import Codec
from tests.adapters.messages import decoded, detail, seen
from tests.laws.seeds import SEEDS, Seed
from tests.shared import shared_path

PLUGINS = Plugins()
PROTOCOLS = sorted(name for name, plugin in PLUGINS.items() if plugin.codec is not None)
NOW = from_text("2026-11-22T12:00:00Z")
FLOOD_CHUNK = 16_384
CPU_S_PER_BYTE = 5e-6
"""For what never becomes a frame: several times what it takes; work that grows with the square of a flood is beyond it."""

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def make(protocol: str) -> Codec:
    build = PLUGINS[protocol].codec
    assert build is not None
    return build(SEEDS[protocol].options)


def readings(messages: Iterable[Message]) -> list[Reading]:
    return [reading for message in messages for reading in message.readings]


def faults(messages: Iterable[Message]) -> list[str]:
    return [f"{fault.kind}: {fault.detail}" for message in messages for fault in message.faults]


def one_by_one(protocol: str, payloads: Sequence[bytes]) -> list[Message]:
    """Each payload with an end of its own where the codec takes whole payloads, as a stream otherwise."""
    codec = make(protocol)
    if SEEDS[protocol].junk is None:
        return [message for payload in payloads for message in decoded(codec, [payload], NOW)]
    return decoded(codec, payloads, NOW)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def everything(seed: Seed) -> bytes:
    """The whole of a seed as one stream: the session, the reports, and every fragment between two good frames."""
    return seed.before + b"".join(piece + report for piece in seed.pieces for report in seed.reports)


# ------------------------------------------------------------------------------------------------- the seeds themselves


def test_every_codec_has_seeds() -> None:
    assert set(PROTOCOLS) == set(SEEDS)


@each_protocol
def test_seeds_are_good_frames(protocol: str) -> None:
    seed = SEEDS[protocol]
    for report in seed.reports:
        messages = one_by_one(protocol, [seed.before, report])
        assert readings(messages)
        assert not faults(messages)


# ------------------------------------------------------------------------------------------------- chunking


@each_protocol
def test_byte_by_byte_gives_the_same(protocol: str) -> None:
    stream = everything(SEEDS[protocol])
    whole = seen(decoded(make(protocol), [stream], NOW))
    assert seen(decoded(make(protocol), [stream[i : i + 1] for i in range(len(stream))], NOW)) == whole


@each_protocol
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_chunking_gives_the_same_messages(protocol: str, data: st.DataObject) -> None:
    stream = b"".join(data.draw(streams(SEEDS[protocol])))
    places = data.draw(st.lists(st.integers(0, 20_000), max_size=12))
    assert seen(decoded(make(protocol), cut(stream, places), NOW)) == seen(decoded(make(protocol), [stream], NOW))


def streams(seed: Seed) -> st.SearchStrategy[list[bytes]]:
    """Good frames, their fragments, and bytes that are nothing."""
    good = [*seed.reports, *seed.pieces, *([seed.before] if seed.before else [])]
    return st.lists(st.sampled_from(good) | st.binary(max_size=60), max_size=8)


@pytest.mark.parametrize("protocol", ["gb32960", "gt06"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_byte_is_kept_once(protocol: str, data: st.DataObject) -> None:
    """Raw bytes of the messages, in order, are the stream (other protocols have padding and line ends to leave out)."""
    stream = b"".join(data.draw(streams(SEEDS[protocol])))
    assert b"".join(message.raw for message in decoded(make(protocol), [stream], NOW)) == stream


# ------------------------------------------------------------------------------------------------- arbitrary bytes


@each_protocol
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_arbitrary_bytes_never_raise_and_what_comes_out_can_be_logged(protocol: str, data: st.DataObject) -> None:
    codec = make(protocol)
    for piece in data.draw(streams(SEEDS[protocol])):
        stamp = data.draw(st.sampled_from([None, NOW]))
        ended = codec.end(stamp) if data.draw(st.booleans()) else []
        for message in [*ended, *codec.feed(piece, stamp)]:
            usable(codec, message)
    for message in codec.end():
        usable(codec, message)


@each_protocol
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_frame_never_raises(protocol: str, data: st.DataObject) -> None:
    seed = SEEDS[protocol]
    frame = bytearray(data.draw(st.sampled_from([seed.before or seed.reports[0], *seed.reports, *seed.pieces])))
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        frame[place % len(frame)] = byte
    codec = make(protocol)
    for message in decoded(codec, [seed.before, bytes(frame), seed.reports[0]], NOW):
        usable(codec, message)


def usable(codec: Codec, message: Message) -> None:
    for verdict in Verdict:
        answer = codec.reply(message, verdict, NOW)
        assert answer is None or isinstance(answer, bytes)
    json.dumps(detail(message), allow_nan=False)
    msgspec.msgpack.encode(message.readings)
    msgspec.msgpack.encode(message.faults)


# ------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if SEEDS[name].checked])
def test_no_flipped_bit_gives_another_reading(protocol: str) -> None:
    seed = SEEDS[protocol]
    for report in seed.reports:
        good = readings(decoded(make(protocol), [seed.before, report], NOW))
        for bit in range(len(report) * 8):
            flipped = bytearray(report)
            flipped[bit >> 3] ^= 1 << (bit & 7)
            got = readings(decoded(make(protocol), [seed.before, bytes(flipped)], NOW))
            assert all(reading in good for reading in got), f"bit {bit} of {report.hex()} flipped: {got}"


@each_protocol
def test_a_frame_cut_short_gives_no_other_reading(protocol: str) -> None:
    """Nothing, or (where only the line's end is missing) the very reading that was sent."""
    seed = SEEDS[protocol]
    for report in seed.reports:
        good = readings(one_by_one(protocol, [seed.before, report]))
        for size in range(1, len(report)):
            got = readings(one_by_one(protocol, [seed.before, report[:size]]))
            assert all(reading in good for reading in got), f"{report[:size]!r} gave {got}"


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if SEEDS[name].junk is not None])
def test_junk_between_frames_costs_one_fault(protocol: str) -> None:
    seed = SEEDS[protocol]
    assert seed.junk is not None
    first, second = seed.reports
    clean = decoded(make(protocol), [seed.before, first, second], NOW)
    messages = decoded(make(protocol), [seed.before + first + seed.junk + second], NOW)
    assert readings(messages) == readings(clean)
    assert len(faults(messages)) == 1, faults(messages)


@each_protocol
def test_an_end_keeps_the_session(protocol: str) -> None:
    """A frame that the end cuts off becomes a fault; who is at the other end stays known."""
    seed = SEEDS[protocol]
    opening = readings(one_by_one(protocol, [seed.before]))
    expected = readings(one_by_one(protocol, [seed.before, seed.reports[0]]))[len(opening) :]
    codec = make(protocol)
    codec.feed(seed.before, NOW)
    codec.end(NOW)
    codec.feed(seed.reports[1][:5], NOW)
    assert faults(codec.end(NOW)), "a frame of five bytes vanished without a word"
    assert codec.end(NOW) == []
    assert readings(decoded(codec, [seed.reports[0]], NOW)) == expected


# ------------------------------------------------------------------------------------------------- floods


def floods(seed: Seed) -> Iterator[tuple[bytes, bytes, int]]:
    """(beginning, what then comes again and again, bytes of it)."""
    yield b"", bytes(FLOOD_CHUNK), seed.junk_bytes
    yield b"", b"junk" * (FLOOD_CHUNK // 4), seed.junk_bytes
    for start in seed.endless:
        yield start, b"a" * FLOOD_CHUNK, 1_000_000
        if start:
            yield b"", start * (FLOOD_CHUNK // len(start)), 300_000


@each_protocol
def test_a_flood_without_a_frame_is_bounded_in_memory_and_time(protocol: str) -> None:
    seed = SEEDS[protocol]
    for start, chunk, size in floods(seed):
        codec = make(protocol)
        began = time.process_time()
        given = len(codec.feed(start, NOW))
        for fed in range(0, size, FLOOD_CHUNK):
            given += len(codec.feed(chunk, NOW))
            if fed % (FLOOD_CHUNK * 8) == 0:
                assert held_bytes(codec) < seed.holds_bytes, f"after {start[:20]!r} and {fed} bytes of {chunk[:20]!r}"
        spent = time.process_time() - began
        assert held_bytes(codec) < seed.holds_bytes
        assert given < size / 8, f"{given} messages of {chunk[:20]!r}"
        assert spent < size * CPU_S_PER_BYTE, f"{start[:20]!r}, then {chunk[:20]!r} without end took {spent} s"


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


# ------------------------------------------------------------------------------------------------- recorded frames


def vectors(protocol: str) -> Iterator[bytes]:
    for line in shared_path(f"vectors/{protocol}.jsonl").read_text("utf-8").splitlines():
        vector = json.loads(line)
        if "raw_hex" in vector:
            yield bytes.fromhex(vector["raw_hex"])
        elif "raw_text" in vector:
            yield vector["raw_text"].encode()


@pytest.mark.parametrize(
    "protocol", ["ais", "gb26875", "gb32960", "gt06", "hj212", "jt808", "osmand", "sl651", "teltonika"]
)
def test_recorded_frames_do_not_depend_on_chunks(protocol: str) -> None:
    whole, apart = make(protocol), make(protocol)
    for frame in vectors(protocol):
        pieces = [frame[i : i + 1] for i in range(len(frame))]
        assert seen(decoded(apart, pieces, NOW)) == seen(decoded(whole, [frame], NOW))


@pytest.mark.parametrize("protocol", ["gb26875", "gb32960", "hj212", "jt808", "sl651", "teltonika"])
def test_recorded_frames_cut_short_raise_nothing(protocol: str) -> None:
    for frame in vectors(protocol):
        for size in range(1, min(len(frame), 300), 7):
            codec = make(protocol)
            for message in decoded(codec, [frame[:size]], NOW):
                usable(codec, message)
