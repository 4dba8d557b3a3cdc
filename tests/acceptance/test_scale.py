"""The city at scale through a real broker, with fewer devices than `tests.bench.bench_city` has."""

from __future__ import annotations

import pytest

from simulators.load import Meter
from simulators.running import PER_ADDRESS, more_vehicles
from tests.acceptance.mosquitto import require_mosquitto
from tests.bench.bench_city import measure


class Box:
    def __init__(self, waiting: int, acknowledged: int = 0) -> None:
        self.waiting, self.acknowledged, self.lost = waiting, acknowledged, 0

    def __len__(self) -> int:
        return self.waiting


@pytest.mark.long
@pytest.mark.acceptance
def test_a_fleet_vessels_and_sensors_get_through_a_real_broker() -> None:
    require_mosquitto()
    for warm_s in (8, 40, 120):  # on a busy machine it takes long until all are connected
        found = measure(fleet=150, vessels=40, sensors=400, seconds=8, warm_s=warm_s, through_mosquitto=True)
        assert found.balances
        if found.logged_per_s > 80:
            break
    assert found.logged_per_s > 80, found
    assert found.waiting < 150 + 400, found.said  # at most what is under way
    assert not {reader: count for reader, count in found.behind.items() if reader.startswith("rules")}


def test_the_meter_says_what_a_run_waits_for() -> None:
    sensors, trackers = Box(waiting=900), Box(waiting=1)
    meter = Meter({"mqtt": ([sensors], 500), "jt808": ([trackers], 10)})
    meter.made, sensors.acknowledged = 3000, 2000
    assert meter.tell(9.0, 0.0) is None
    assert meter.tell(10.0, 0.0) == (
        "300 reports/s made, 200 taken, 901 wait; the broker, or the hub behind it, limits it: 900 wait for the answers of mqtt"
    )
    assert str(meter.tell(20.0, 2.5)).endswith(
        "the simulators are 2.5 s late too, so the machine may be too small for both"
    )
    sensors.waiting = 400
    assert "the simulators limit it: they are 2.5 s late" in meter.limit(meter.waiting(), 2.5)
    assert str(meter.tell(30.0, 0.0)).endswith("401 wait; nothing limits it")


def test_no_address_has_more_vehicles_than_a_hub_takes_of_one() -> None:
    dialled = [site.attributes.get("dials_from") for site in more_vehicles(2000)]
    assert all(dialled.count(address) <= PER_ADDRESS for address in set(dialled))
