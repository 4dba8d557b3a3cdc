"""A city's own `metrics.toml`: what is wrong with one, and what reads the words of a right one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.metrics import city_words, nearest, numbers, use_city, vocabulary
from hub.model import Reading
from hub.store.lineprotocol import Encoder
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

WORDS = """
[water]
wave_height = { unit = "m", range = [0, 40], title = "Wave height", title_zh = "波高" }
gate_open = { type = "flag", title = "Gate is open" }
water_level = { unit = "m", range = [-5, 20], title = "Level at the quay" }

[quay]
fender_load = { unit = "kPa", title = "Load of a fender" }

[plant]
"pressure#in" = { title = "Pressure before the pump" }
"pressure#out" = { title = "Pressure behind the pump", range = [0, 900] }
"""
RULES = """
- rule: pump-head
  title: "{subject.name}: the pump gives {head:.0f kPa}"
  for_each: {kind: pump}
  let:
    head: pressure#out - pressure#in
  levels:
    red: head < 100 kPa
  clear: head > 200 kPa
  source: {standard: house default}
- rule: fender
  title: "{subject.name}: {fender_load:.0f kPa}"
  for_each: {kind: underpass-gauge}
  levels:
    orange: fender_load >= 50 kPa
  clear: fender_load < 80 % of level
  source: {standard: house default}
"""


@pytest.fixture(autouse=True)
def no_city() -> Iterator[None]:
    yield
    use_city("")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[water\n", 1, "is not valid TOML"),
        ("\nwave = 3\n", 2, "a table [family] of metrics was meant"),
        ('[water]\n\nwave = { unit = "m" }\n', 3, "'title'"),
        ('[water]\nwave = { title = "W" }\n', 2, "needs a unit"),
        ('[water]\nwave = { title = "W", unit = "furlong" }\n', 2, "furlong"),
        ('[water]\nwave = { title = "W", unit = "m", range = [3, 1] }\n', 2, "the lower end"),
        ('[water]\nwave = { title = "W", unit = "m", range = [nan, 1] }\n', 2, "the lower end"),
        ('[water]\nwave = { title = "W", unit = "m", range = [1] }\n', 2, "range"),
        ('[water]\nwave = { title = "W", unit = "m", rnage = [0, 1] }\n', 2, "rnage"),
        ('[water]\nwave = { title = "W", type = "bool" }\n', 2, "one of number, flag, text, texts"),
        ('[water]\nwave = { title = "W", type = "flag", unit = "m" }\n', 2, "a flag has no unit"),
        ('[water]\nWave-1 = { title = "W", unit = "m" }\n', 2, "small letters"),
        ('[water]\nwater_level = { title = "W", unit = "ft" }\n', 2, "a name never changes these"),
        ('[sea]\nwater_level = { title = "W", unit = "m" }\n', 2, "[water]"),
        ('[plant]\n"presure#in" = { title = "W" }\n', 2, "presure, which the vocabulary does not have"),
        ('[water]\n"pressure#in" = { title = "W" }\n', 2, "belongs into [plant]"),
        ('[plant]\n"pressure#in" = { title = "W", unit = "bar" }\n', 2, "an instance has the unit"),
        ('[plant]\n"pressure#In!" = { title = "W" }\n', 2, "no name of an instance"),
        ('[plant]\nhead = { title = "W", unit = "m" }\n[water]\nhead = { title = "W", unit = "m" }\n', 2, "stands in [plant] too"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_line_and_nothing_is_taken(text: str, line: int, said: str, tmp_path: Path) -> None:
    before = dict(vocabulary())
    folder = write_city(tmp_path)
    (folder / "metrics.toml").write_text(text)
    city, (mistake,) = load_city(folder, Plugins())
    assert city is None
    assert (Path(mistake.file).name, mistake.line) == ("metrics.toml", line)
    assert said in mistake.message
    assert dict(vocabulary()) == before


def test_another_city_brings_its_own_words_only(tmp_path: Path) -> None:
    held = vocabulary()
    level = held["water_level"]
    first, second = write_city(tmp_path / "a"), write_city(tmp_path / "b")
    (first / "metrics.toml").write_text(WORDS)
    assert load_city(first, Plugins())[1] == []
    assert held["pressure#in"].unit == "kPa"
    assert held["water_level"].low == -5
    assert {"wave_height", "pressure#out"} <= numbers()
    assert "gate_open" not in numbers()
    assert nearest("wave_hieght") == "; was wave_height meant?"
    assert load_city(second, Plugins())[1] == []
    assert city_words() == []
    assert held["water_level"] == level
    assert "wave_height" not in held
    assert "wave_height" not in numbers()
    assert "wave_height" not in nearest("wave_hieght")


def test_influxdb_gets_the_citys_measurements() -> None:
    assert use_city(WORDS) == []
    lines = Encoder().lines(
        Reading("pump-1", 1, {"pressure#in": 1.0, "pressure#out": 2.0, "fender_load": 3.0}, kind="pump", received_at=1)
    )
    assert any(line.startswith("plant,") and "pressure#in=1.0" in line and "pressure#out=2.0" in line for line in lines)
    assert any(line.startswith("quay,") and "fender_load=3.0" in line for line in lines)


@pytest.mark.acceptance
def test_a_running_hub_judges_and_keeps_them(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path, api=api, rules=RULES)
    (city / "metrics.toml").write_text(WORDS)
    with (city / "devices.csv").open("a") as devices:
        devices.write("pump-1,Pump,pump,121.49,31.24,3,north,water,\n")
    hub = RunningHub(city, api)
    try:
        assert hub.reading({"pressure#in": 300.0, "pressure#out": 350.0}, "pump-1")[0] == 200
        assert hub.reading({"fender_load": 60.0}, "underpass-1")[0] == 200
        hub.wait(lambda: len(hub.get("/api/v1/alerts")["open"]) == 2, "not both warned")
        titles = {alert["title"] for alert in hub.get("/api/v1/alerts")["open"]}
        assert titles == {"Pump: the pump gives 50 kPa", "North Gate: 60 kPa"}
        rows = lambda: hub.get("/api/v1/series?device=pump-1&metric=pressure%23out")["rows"]  # noqa: E731
        hub.wait(lambda: bool(rows()), "not stored")
        assert hub.reading({"pressure#inn": 1.0, "pressure#out": 2000.0}, "pump-1")[0] == 400
        told = str(hub.get("/api/v1/quarantine"))
        assert "was pressure#in meant?" in told
        assert "outside what is possible (0 to 900)" in told
    finally:
        assert hub.stop() == 0
    csv = cityhub("export", city, "--metric", "pressure#in", "--format", "csv").stdout
    assert 'pump-1,pump,"pressure#in",300.0' in csv
