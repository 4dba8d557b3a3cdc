"""What the hub keeps in quarantine for good is answered so that the device goes on, through the real front door and real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters.hj212.codec import Hj212CodecOptions
from adapters.jt808 import Jt808CodecOptions
from adapters.osmand import PLUGIN
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.log import Log
from hub.model import Fault, FaultKind, Message, Verdict
from hub.moment import from_text
from hub.options import IngestOptions
from hub.registry import Registry
from tests.adapters.jt808.frames import codec as jt808_codec
from tests.adapters.test_teltonika import LOGIN, data, record, tcp

NOW = from_text("2026-11-22T08:00:00Z")


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    log = Log(tmp_path / "log")
    yield Ingest(log, Registry(), Ledger(), lambda: NOW, IngestOptions())
    await log.close()


@pytest.mark.parametrize(
    ("policy", "clock", "status", "said"),
    [
        ("admit", "2026-11-22T07:59:00Z", 200, ""),
        ("admit", "2006-11-22T07:59:00Z", 200, "refused: "),
        ("admit", "2046-11-22T07:59:00Z", 200, "refused: "),
        ("admit", "yesterday", 200, "refused: 'yesterday' is not an ISO 8601 time"),
        ("quarantine", "2026-11-22T07:59:00Z", 200, "refused: osmand:7 is not in the registry"),
    ],
)
async def test_a_phone_hears_the_doors_own_reason_and_goes_on(
    ingest: Ingest, policy: str, clock: str, status: int, said: str
) -> None:
    assert PLUGIN.options
    assert PLUGIN.adapter
    door = ingest.door("phones", "phone", policy)
    adapter = PLUGIN.source("phones", PLUGIN.options(listen="tcp://127.0.0.1:0"))
    task = asyncio.create_task(adapter.run(door))
    try:
        async with asyncio.timeout(20):
            while not adapter.bound:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
        base = adapter.bound.replace("tcp:", "http:")  # type: ignore[attr-defined]
        async with httpx.AsyncClient(base_url=base, trust_env=False) as phone:
            answer = await phone.get("/", params={"id": "7", "lat": "1", "lon": "2", "timestamp": clock})
            assert (await phone.get("/", params={"lat": "1", "lon": "2"})).status_code == 400
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert answer.status_code == status
    assert answer.text.startswith(said)
    assert bool(answer.text) == bool(said)
    assert "not known here" not in answer.text
    kept = ingest.log.quarantine.read_now(0, 10).entries
    assert len(kept) == (2 if said else 1)
    if "06" in clock or "46" in clock:
        assert kept[0].kind is FaultKind.TIME


def test_damage_and_wrong_codes_may_come_again() -> None:
    for kind in FaultKind:
        message = Message([], [], "a", refused=[Fault(kind, "why")])
        again = kind in (
            FaultKind.UNAUTHORISED, FaultKind.CHECKSUM, FaultKind.FRAME, FaultKind.TRUNCATED, FaultKind.INCOMPLETE,
        )  # fmt: skip
        assert message.spent is not again
    assert not Message([], [], "a").spent


async def test_a_tracker_of_no_registry_is_told_the_number_of_its_records(ingest: Ingest) -> None:
    from adapters.teltonika.codec import TeltonikaCodec

    codec = TeltonikaCodec()
    (login,) = codec.feed(LOGIN)
    (packet,) = codec.feed(tcp(data([record(), record(lat=31.0)])))
    door = ingest.door("trackers")
    verdicts = await door.submit([login, packet])
    assert verdicts == [Verdict.REFUSED, Verdict.REFUSED]
    assert codec.reply(login, verdicts[0], NOW) == b"\x00"
    assert codec.reply(packet, verdicts[1], NOW) == b"\0\0\0\2"
    assert "not in the registry" in packet.reason


async def test_a_station_that_is_not_known_is_answered(ingest: Ingest) -> None:
    """HJ 212: the data are in quarantine, and the station's queue goes on."""
    from adapters.hj212.codec import Hj212Codec
    from tests.adapters.test_hj212 import frame

    codec = Hj212Codec(Hj212CodecOptions())
    raw = frame(
        "QN=20261122075900001;ST=32;CN=2011;PW=123456;MN=A110000_0001;Flag=5;CP=&&DataTime=20261122155900;w01018-Rtd=63.0,w01018-Flag=N&&"
    )
    (message,) = codec.feed(raw)
    (verdict,) = await ingest.door("stations").submit([message])
    assert verdict is Verdict.REFUSED
    answer = codec.reply(message, verdict, NOW)
    assert answer is not None
    assert b"CN=9014" in answer
    assert codec.reply(message, Verdict.BUSY, NOW) is None


async def test_a_terminal_with_a_wrong_clock_hears_that_the_message_is_wrong(ingest: Ingest) -> None:
    from adapters.jt808.wire import encode
    from tests.adapters.jt808.frames import OLD, location, one

    codec = jt808_codec(Jt808CodecOptions())
    message = one(encode(OLD, 0x0200, 7, location()), codec)
    message.readings[0].observed_at = from_text("2006-11-22T08:00:00Z")
    (verdict,) = await ingest.door("terminals", unknown_devices="admit").submit([message])
    assert verdict is Verdict.REFUSED
    reply = codec.reply(message, verdict, NOW)
    assert reply is not None
    assert one(reply).body.detail()["result"] in (1, 2)
