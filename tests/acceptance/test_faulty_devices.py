"""A town whose devices suffer one kind of fault each, against one hub over sockets: the ledger balances, and those that are
well never notice the others."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from hub.app.city import load_city
from hub.app.demo import adapters_up, endpoints, with_free_ports
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.model import Fault, FaultKind, Reading
from hub.moment import SECOND
from simulators import CITY, Player
from simulators.devices.faults import Faults

pytestmark = pytest.mark.acceptance

RUN_S = 14.0
"""Everybody has reported a few times, and who was away is back."""
HOUR_S = 3600.0
KINDS = {
    "loss": Faults(loss=0.3),
    "duplicate": Faults(duplicate=0.6),
    "reorder": Faults(reorder=0.5),
    "corrupt": Faults(corrupt=0.3),
    "delay": Faults(delay_s=0.4),
    "skew": Faults(skew_s=24 * HOUR_S),
    "storm": Faults(reconnect_every_s=1.0),
    "blind": Faults(reconnect_every_s=2.5, away_s=5.0),
    "slow": Faults(slow_bytes_s=600),
}
WELL = ("jt808:00000000013800000001", "jt808:00000000013800000002", "hj212:330900000000000000000001", "gas-tunnel-1", "gas-tunnel-2", "air-harbour", "teltonika:356307042441101", "gb26875:880001", "gb32960:LHBCT456789012001", "osmand:patrol-1")  # fmt: skip


def shared_out(folder: Path) -> dict[str, Path]:
    """City folders with the devices of each kind of fault: some buses and sensors each; and one with those that are well."""
    with (CITY / "devices.csv").open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    mobile = [row for row in rows if row[0].startswith(("jt808:", "hj212:", "teltonika:")) and row[0] not in WELL]
    fixed = [row for row in rows if ":" not in row[0] and row[head.index("reports_by")] == "" and row[0] not in WELL]
    folders = {}
    for number, kind in enumerate([*KINDS, "well"]):
        folders[kind] = folder / kind
        folders[kind].mkdir()
        chosen = [row for row in rows if row[0] in WELL] if kind == "well" else [*mobile, *fixed][number :: len(KINDS)]
        with (folders[kind] / "devices.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *chosen])
    return folders


@pytest.mark.long
async def test_faulty_devices_spoil_neither_the_books_nor_their_neighbours(tmp_path: Path) -> None:
    city, mistakes = load_city(CITY, Plugins())
    assert city, mistakes
    adapters = tuple(adapter for adapter in city.config.adapters if adapter.protocol != "modbus")
    city = msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, adapters=adapters))
    hub = Hub(with_free_ports(city), tmp_path / "data")
    await hub.start()
    try:
        await adapters_up(hub)
        where = {name: at for name, at in endpoints(hub.city, hub.address).items() if name != "ais"}
        players = {
            kind: Player(folder, where, lambda _: None, faults=KINDS.get(kind))
            for kind, folder in shared_out(tmp_path).items()
        }
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(RUN_S, stop.set)
        await asyncio.gather(*(player.play(stop) for player in players.values()))
        assert await hub.drain(10)

        assert all(counts.balances() for counts in map(hub.ledger.of, hub.ingest.doors))
        devices = {kind: set(player.world.sites) for kind, player in players.items()}
        readings = [event for event in hub.log.events.read_now(0, 100_000).entries if isinstance(event, Reading)]
        faults = [fault for fault in hub.log.quarantine.read_now(0, 100_000).entries if isinstance(fault, Fault)]

        # nobody suffers for others: all that the well ones sent has come, on time, and nothing of it lies in quarantine
        well = players["well"]
        assert well.fleet.unacknowledged() <= len(devices["well"])
        assert not [fault for fault in faults if fault.device in devices["well"]]
        for device in devices["well"]:
            times = [reading.observed_at for reading in readings if reading.device == device]
            gap_s = max(b - a for a, b in pairwise(times)) / SECOND
            assert gap_s < 16, (device, gap_s)  # sensors themselves skip a reading now and then

        # each kind of fault has come about, and has been borne
        heard = Counter(kind for reading in readings for kind in KINDS if reading.device in devices[kind])
        assert all(heard[kind] > 5 for kind in KINDS), heard
        assert sum(hub.ledger.of(door).duplicate for door in hub.ingest.doors) > 0
        assert len({(reading.device, reading.observed_at) for reading in readings}) == len(readings)
        assert any(fault.kind is FaultKind.TIME and fault.device in devices["skew"] for fault in faults)
        assert any(fault.kind in (FaultKind.CHECKSUM, FaultKind.SYNTAX) for fault in faults)
        storm = players["storm"].fleet
        assert sum(getattr(thing, "connections", 0) for thing in storm.terminals.values()) > 2 * len(storm.terminals)
        bus = next(device for device in devices["blind"] if device.startswith("jt808:"))
        assert getattr(players["blind"].fleet.terminals[bus], "connections", 0) >= 2
        own = sorted(reading.observed_at for reading in readings if reading.device == bus)
        assert max(b - a for a, b in pairwise(own)) < 4.5 * SECOND  # back-filled: no hole where it was away
    finally:
        await hub.stop()
