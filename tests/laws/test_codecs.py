"""Law 2: what every codec owes, whatever its protocol. One suite over all codecs of `hub.app.plugins`: `cityhub.testing.CodecLaws`, which packages of
other hands are held to as well."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.testing.codecs import NOW, CodecLaws, streams, usable
from hub.app.plugins import Plugins
from tests.adapters.messages import decoded, seen
from tests.laws.seeds import SEEDS, make
from tests.shared import shared_path

PLUGINS = Plugins()
PROTOCOLS = sorted(name for name, plugin in PLUGINS.items() if plugin.codec is not None)


def test_every_codec_has_seeds() -> None:
    assert set(PROTOCOLS) == set(SEEDS)


for _protocol in PROTOCOLS:  # one class each, so that a failure names the protocol
    _name = f"Test_{_protocol.replace('-', '_')}"
    globals()[_name] = type(_name, (CodecLaws,), {"protocol": _protocol, "seed": SEEDS[_protocol]})


@pytest.mark.parametrize("protocol", ["gb32960", "gt06"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_byte_is_kept_once(protocol: str, data: st.DataObject) -> None:
    """Raw bytes of the messages, in order, are the stream (other protocols have padding and line ends to leave out)."""
    stream = b"".join(data.draw(streams(SEEDS[protocol])))
    assert b"".join(message.raw for message in decoded(make(protocol), [stream], NOW)) == stream


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
