"""Bytes in quarantine, read again by the codec of the adapter by which they came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hub.app.decoded import decoded_again
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.model import Fault, FaultKind
from hub.options import AdapterConfig
from hub.ports import NotSupported
from tests.acceptance.running import write_city
from tests.hub.running import running
from tests.shared import shared_path

AT = 1_790_000_000_000_000_000


def adapter(protocol: str, **options: Any) -> AdapterConfig:
    plugin = Plugins()[protocol]
    own = plugin.codec_options.__struct_fields__
    made = msgspec.convert({key: value for key, value in options.items() if key not in own}, plugin.options)
    codec_options = msgspec.convert({key: options[key] for key in own if key in options}, plugin.codec_options)
    return AdapterConfig("a", protocol, "quarantine", made, 1, codec_options=codec_options)


def again(protocol: str, raw: bytes, **options: Any) -> dict[str, Any]:
    plugins = {"a": Plugins()[protocol]}
    return decoded_again([adapter(protocol, **options)], plugins, Fault(FaultKind.VALUE, "", raw, "d", AT, "a"), raw)


@pytest.mark.parametrize("protocol", ["jt808", "hj212", "gb32960", "sl651"])
def test_what_a_device_sent_is_read_as_its_adapter_reads_it(protocol: str) -> None:
    vectors = map(json.loads, shared_path(f"vectors/{protocol}.jsonl").read_text("utf-8").splitlines())
    frames = [bytes.fromhex(one["raw_hex"]) if "raw_hex" in one else one["raw_text"].encode() for one in vectors]
    raw, found = next(
        (raw, found) for raw in frames if (found := again(protocol, raw, listen="tcp://127.0.0.1:0"))["readings"]
    )
    assert found["protocol"] == protocol
    if protocol == "hj212":  # the adapter's own options count
        mapped = again(protocol, raw, listen="tcp://127.0.0.1:0", map={"a21007": "voc", "a21006": "so2"})
        assert len(mapped["faults"]) < len(found["faults"])
    cut = again(protocol, raw[: len(raw) // 2], listen="tcp://127.0.0.1:0")
    assert (cut["readings"], len(cut["faults"]) > 0) == ([], True)


def test_bytes_that_say_nothing_by_themselves_are_refused_with_the_reason() -> None:
    with pytest.raises(NotSupported, match="mqtt has no frames"):
        again("mqtt", b"{}", connect="mqtt://127.0.0.1", topics=["#"])
    with pytest.raises(NotSupported, match="no adapter 'gone' any more"):
        decoded_again([], {}, Fault(FaultKind.VALUE, "", b"x", "d", AT, "gone"), b"x")
    with pytest.raises(NotSupported, match="not kept"):
        again("jt808", b"", listen="tcp://127.0.0.1:0")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        yield hub


async def test_an_entry_is_decoded_over_the_api_also_where_another_holds_its_bytes(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
        bad = {"device": "underpass-1", "values": {"water_depth": "deep", "water_level": "high", "rainfall": 1.5}}
        await client.post("/api/v1/readings", json=bad)
        entries = (await client.get("/api/v1/quarantine")).json()["entries"]
        assert len(entries) == 2
        for entry in entries:
            found = (await client.get(f"/api/v1/quarantine/decode?offset={entry['offset']}")).json()
            assert (found["protocol"], found["readings"][0]["values"]) == ("json", {"rainfall": 1.5})
            assert sorted(fault["kind"] for fault in found["faults"]) == ["value", "value"]
        assert (await client.get("/api/v1/quarantine/decode?offset=99")).status_code == 404
        assert (await client.get("/api/v1/quarantine/decode")).json()["detail"] == "offset is missing"
