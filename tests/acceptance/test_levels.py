"""District → city → province: three hubs as processes, outages, kill -9 and a circle; every change once, in order, with its origin."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.certificates import authority, signed

pytestmark = pytest.mark.acceptance

TOKENS = {name: f"{name}-0123456789abcdef" for name in ("district-a", "city-1", "province")}


class Level:
    """One hub of the three: its folder, its ports, and its life."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder / name, name
        self.api, self.port = free_port(), free_port()
        self.hub: RunningHub | None = None

    def write(self, below: str, above: Level, url: str, more: str = "") -> None:
        """Takes from the hub `below`, forwards to `above`."""
        self.folder.mkdir()
        (self.folder / "peers.toml").write_text(f'[peers.{below}]\ntoken = "{TOKENS[below]}"\n')
        (self.folder / "token").write_text(TOKENS[self.name])
        write_city(
            self.folder,
            f"""
[[adapters]]
name = "below"
protocol = "hub"
hub = "{self.name}"
peers_file = "peers.toml"
{more}
[[sinks]]
name = "above"
protocol = "hub"
hub = "{self.name}"
url = "{url}"
token_file = "token"
{'ca_file = "../authority.pem"' if url.startswith("https") else ""}
[sinks.readings]
metrics = ["water_depth"]
""",
            self.api,
        )
        if self.name == "district-a":
            gauges = [f"underpass-{n},Underpass {n},underpass-gauge,121.49,31.24,3,north,roads" for n in range(1, 13)]
            header = "device,name,kind,lon,lat,elevation_m,area,operator"
            (self.folder / "devices.csv").write_text("\n".join([header, *gauges]) + "\n")
        assert cityhub("check", self.folder).returncode == 0, cityhub("check", self.folder).stdout

    def start(self) -> None:
        self.hub = RunningHub(self.folder, self.api)

    def get(self, path: str) -> Any:
        assert self.hub is not None
        return self.hub.get(path)

    def hurry(self) -> None:
        """As a person who knows that the hub above is back: `cityhub delivery DIR retry`."""
        cityhub("delivery", self.folder, "retry")

    def changes(self, origin: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """Alert → its changes, as they stand in the hub: this hub's own, or those of `origin`."""
        alerts = self.get("/api/v1/alerts")
        found = [*alerts["open"], *alerts["closed"]]
        return {item["alert"]: item["changes"] for item in found if item["origin"] == origin}


@pytest.fixture
def levels(tmp_path: Path) -> Iterator[tuple[Level, Level, Level]]:
    district, city, province = (Level(tmp_path, name) for name in ("district-a", "city-1", "province"))
    server = signed(tmp_path, authority(tmp_path), "city-server")
    tls = f'listen = "tls://127.0.0.1:{city.port}"\ntls_cert_file = "{server.cert}"\ntls_key_file = "{server.key}"'
    plain = 'listen = "tcp://127.0.0.1:{}"'
    district.write("province", city, f"https://127.0.0.1:{city.port}", plain.format(district.port))
    city.write("district-a", province, f"http://127.0.0.1:{province.port}", tls)
    province.write("city-1", district, f"http://127.0.0.1:{district.port}", plain.format(province.port))  # the circle
    for level in (province, city, district):
        level.start()
    yield district, city, province
    for level in (district, city, province):
        if level.hub is not None and level.hub.process.poll() is None:
            assert level.hub.stop() == 0


def flood(district: Level, *gauges: int, depths: tuple[float, ...] = (0.2, 0.5, 0.0)) -> None:
    """A warning at each of these gauges: raised, escalated and cleared. A gauge each, since one that rings again and again is damped."""
    assert district.hub is not None
    for gauge in gauges:
        for depth in depths:
            assert district.hub.reading({"water_depth": depth}, f"underpass-{gauge}")[0] == 200


@pytest.mark.long
def test_every_change_goes_up_once_in_order_through_outages_and_a_circle(levels: tuple[Level, Level, Level]) -> None:
    district, city, province = levels
    assert city.hub is not None
    assert province.hub is not None

    flood(district, 1, 2)
    province.hub.wait(lambda: len(province.changes("district-a")) == 2, "nothing came up")

    city.hub.kill()  # down for a while
    flood(district, *range(3, 8))
    time.sleep(1.0)
    city.start()
    district.hurry()
    time.sleep(0.3)
    city.hub.kill()  # in the middle of it
    flood(district, 8, 9, 10)
    city.start()
    district.hurry()
    assert district.hub is not None
    flood(district, 11, depths=(0.5,))
    district.hub.wait(lambda: len(district.changes()) == 11, "the last one is not open")
    (last,) = [alert for alert, changes in district.changes().items() if changes[-1]["change"] != "cleared"]

    # People at the city acknowledge it there: that stays there and above.
    name = f"district-a/{last}"
    city.hub.wait(lambda: name in city.changes("district-a"), "the last warning did not come to the city")
    assert city.hub.post(f"/api/v1/alerts/{quote(name, safe='')}/acknowledge", {"who": "li"})[0] == 200
    city.hub.wait(lambda: city.changes("district-a")[name][-1]["change"] == "acknowledged", "it was not acknowledged")
    assert district.hub.post(f"/api/v1/alerts/{quote(last, safe='')}/acknowledge", {"who": "wang"})[0] == 200
    flood(district, 12)
    flood(district, 11, depths=(0.0,))

    def complete() -> bool:
        have = province.changes("district-a")
        return len(have) == len(district.changes()) and all(
            [change["origin"]["ordinal"] for change in have.get(f"district-a/{alert}", ()) if change["origin"]["path"][0] == "district-a"]
            == [change["ordinal"] for change in changes]
            for alert, changes in district.changes().items()
        )  # fmt: skip

    city.hurry()
    province.hub.wait(complete, "not everything came up, once and in order")

    own = district.changes()
    assert len(own) == 12
    for alert, changes in own.items():
        for level, path in ((city, ["district-a"]), (province, ["district-a", "city-1"])):
            heard = level.changes("district-a")[f"district-a/{alert}"]
            from_district = [change for change in heard if change["origin"]["path"][:1] == ["district-a"]]
            assert [change["change"] for change in from_district] == [change["change"] for change in changes]
            assert all(change["origin"]["hub"] == "district-a" for change in heard)
            assert all(change["origin"]["path"] == path for change in from_district)
            assert all(change["subject"] == f"district-a/{changes[0]['subject']}" for change in heard)
            assert [change["ordinal"] for change in heard] == list(range(1, len(heard) + 1))
    by_li = [change["who"] for change in province.changes("district-a")[name] if change["change"] == "acknowledged"]
    assert sorted(by_li) == ["city-1/li", "district-a/wang"]
    assert [change["who"] for change in own[last] if change["change"] == "acknowledged"] == ["wang"]

    # The city's own rules judge what came up, and their warnings are the city's own.
    assert {changes[0]["subject"] for changes in city.changes().values()} == {
        f"district-a/underpass-{n}" for n in range(1, 13)
    }

    # The circle: what the province sends the district comes to nothing there, is counted, and the district stays as it was.
    district.hub.wait(
        lambda: district.hub is not None and district.hub.adapter("below")["faults"].get("loop", 0) > 0,
        "no circle was noticed",
    )
    letters = json.loads(cityhub("delivery", province.folder, "list", "--json").stdout)["dead_letters"]
    assert any("has been at district-a before" in letter["reason"] for letter in letters)
    assert not district.changes("district-a")

    # Readings, too: each row once, under the name of where it began; and the books balance everywhere.
    rows = "/api/v1/series?metric=water_depth&limit=1000&device="

    def stored(level: Level, prefix: str = "") -> list[tuple[int, float]]:
        return [
            (row["time"], row["value"])
            for gauge in range(1, 13)
            for row in level.get(f"{rows}{quote(f'{prefix}underpass-{gauge}')}")["rows"]
        ]

    want = stored(district)
    assert len(want) == 36 - 1
    for level in (city, province):
        assert level.hub is not None
        level.hub.wait(
            lambda level=level: stored(level, "district-a/") == want, f"{level.name} has not all readings", 60
        )  # type: ignore[misc]
    for level in levels:
        status = level.get("/api/v1/status")
        assert status["balances"]
        assert all(
            adapter["received"] == adapter["logged"] + adapter["quarantined"] + adapter["duplicate"]
            for adapter in status["adapters"]
            if not adapter["in_flight"]
        )
