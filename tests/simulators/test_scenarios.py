"""Scenario files are sound, play as they say, and their checker tells right from wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hub.clock import ToldClock
from hub.registry import load_registry
from simulators import CITY, DEMO, Player, Receiver, ScenarioError, check, find, running, shipped
from simulators.scenarios.director import Director, Narrator, Played
from simulators.scenarios.language import Divert, Town, load
from simulators.world.geography import ROAD_NODES
from simulators.world.places import read_sites
from simulators.world.sensors import sensors_for
from simulators.world.world import World

START = 1_800_000_000_000_000_000
SITES = read_sites(CITY)


def town() -> Town:
    return Town(World(7, START, SITES), sensors_for(SITES, 7))


def test_the_city_folder_is_sound() -> None:
    registry, mistakes = load_registry(CITY)
    assert mistakes == []
    assert 40 <= len(registry.devices) <= 100
    assert len(registry.cameras) >= 30


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_scenario_names_only_what_there_is(name: str) -> None:
    scenario = load(shipped()[name])
    registry, _ = load_registry(CITY)
    here = town()
    assert scenario.scenario == name
    for step in scenario.steps:
        for action in step.do:
            for need in action.needs():
                if isinstance(need, int):
                    assert need in here.world.sea.vessels
                else:
                    assert need in registry.devices
            if isinstance(action, Divert):
                assert action.to in ROAD_NODES
    for expect in scenario.expect:
        assert set(expect.cameras) <= set(registry.cameras)
        assert expect.by_s <= scenario.lasts_s
        if not expect.subject.startswith("ais:"):
            assert expect.subject in registry.devices
        assert set(expect.together_with) <= set(registry.devices)
    for silence in scenario.silence:
        assert silence.subject in registry.devices


def test_the_demo_plays_shipped_scenarios_with_the_flood_first() -> None:
    assert set(DEMO) <= set(shipped())
    assert DEMO[0] == "cloudburst"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_scenario_plays_to_its_end(name: str) -> None:
    here, said = town(), []
    director = Director(here, find([name]), said.append, repeat=False, lead_s=0)
    narrator = Narrator(here.world, said.append)
    for _ in range(1000):
        here.world.step(0.5)
        director.step()
        narrator.step()
        if director.done:
            break
    assert director.done
    assert len(said) >= 1 + sum(bool(step.say) for step in director.scenarios[0].steps)


def test_the_cloudburst_is_told_in_words() -> None:
    here, said = town(), []
    director, narrator = Director(here, find(["cloudburst"]), said.append, False, 0), Narrator(here.world, said.append)
    while not director.done:
        here.world.step(0.5)
        director.step()
        narrator.step()
    assert "North Gate underpass: the water stands 40 cm deep" in said
    assert said.index("North Gate underpass: the water stands 5 cm deep") < said.index(
        "North Gate underpass is passable again"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scenario: x\ntitle: x\nlasts_s: 5\nsteps: [{at_s: 9}]", "after the end"),
        ("scenario: x\ntitle: x\nlasts_s: 5\nsteps: [{at_s: 1, do: [{act: dance}]}]", "Invalid value 'dance'"),
        (
            "scenario: x\ntitle: x\nlasts_s: 5\nsteps: [{at_s: 1, do: [{act: rain, over: a, peak: 3}]}]",
            "unknown field `peak`",
        ),
        (
            "scenario: x\ntitle: x\nlasts_s: 5\nsteps: []\nexpect: [{rules: [a], subject: b, level: pink, by_s: 3}]",
            "unknown level",
        ),
        ("scenario: [", "x.yaml"),
    ],
)
def test_a_scenario_that_makes_no_sense_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=sentence):
        load(path)
    with pytest.raises(ScenarioError, match="shipped are"):
        find(["no-such-thing"])


def change(at_s: float, what: str, level: str, camera: str = "cam-north-gate-1", **other: Any) -> dict[str, Any]:
    return {
        "at": START + round(at_s * 1e9),
        "rule": "harbour/underpass-flooding",
        "subject": "underpass-north-gate",
        "change": what,
        "level": level,
        "cameras": [{"camera": camera}],
    } | other


GOOD = [change(20, "raised", "blue"), change(40, "escalated", "red"), change(100, "cleared", "red")]


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        (GOOD, [True, True, True]),
        ([], [False, False, True]),
        ([change(20, "raised", "blue")], [True, False, True]),
        ([change(35, "raised", "red"), change(100, "cleared", "red")], [False, True, True]),
        ([change(20, "raised", "red", camera="cam-market"), change(100, "cleared", "red")], [False, True, True]),
        (GOOD[:2], [True, False, True]),
        ([*GOOD[:2], change(111.9, "cleared", "red")], [True, True, True]),
        ([*GOOD, change(50, "raised", "blue", subject="underpass-mill")], [True, True, False]),
        ([change(-5, "raised", "red"), change(200, "cleared", "red")], [False, False, True]),
    ],
)
def test_the_checker_tells_right_from_wrong(changes: list[dict[str, Any]], met: list[bool]) -> None:
    played = [Played(find(["cloudburst"])[0], 0.0, START, START + 112 * 10**9)]
    findings = check(played, changes)
    if changes and changes[0]["cameras"] == [{"camera": "cam-market"}]:
        met = [False, False, True]
        findings = check(
            played,
            [change(20, "raised", "red", camera="cam-market"), change(100, "cleared", "red", camera="cam-market")],
        )
    assert [finding.met for finding in findings] == met, findings


def test_the_checker_asks_for_one_group() -> None:
    played = [Played(find(["outage"])[0], 0.0, START, START + 70 * 10**9)]

    def silence(tunnel: int, group: str) -> list[dict[str, Any]]:
        about = {"rule": "city/gas-in-tunnel:silent", "subject": f"gas-tunnel-{tunnel}", "group": group}
        return [change(20, "raised", "yellow", **about), change(50, "cleared", "yellow", **about)]

    assert all(f.met for f in check(played, [c for tunnel in (2, 1, 3, 4) for c in silence(tunnel, "a")]))
    first = check(played, [c for tunnel in (2, 1, 3, 4) for c in silence(tunnel, "a" if tunnel < 4 else "b")])[0]
    assert first.sentence.endswith("not in one group with gas-tunnel-4")


async def test_the_receiver_keeps_what_is_posted_to_it() -> None:
    receiver = Receiver()
    url = await receiver.start()
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for body in (GOOD[0], {"specversion": "1.0", "data": GOOD[1]}):
        data = json.dumps(body).encode()
        writer.write(b"POST /alerts HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    await receiver.stop()
    assert [item["change"] for item in receiver.changes] == ["raised", "escalated"]


@pytest.mark.parametrize("kept", [[3, 2, 2, 1, 0], [0]])
async def test_a_town_by_its_own_clock_is_over_when_devices_keep_nothing(
    kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last reports of a scenario were thrown away where the hub was busy, and with them what it would have warned of."""
    player = Player(CITY, {}, lambda _: None, [], repeat=False, clock=ToldClock(START))
    left = iter(kept)
    monkeypatch.setattr(player.fleet, "unacknowledged", lambda: next(left))
    await player.play(asyncio.Event())
    assert list(left) == []


async def test_a_device_that_is_never_answered_does_not_keep_the_town_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STUCK_S", 0.2)
    player = Player(CITY, {}, lambda _: None, [], repeat=False, clock=ToldClock(START))
    monkeypatch.setattr(player.fleet, "unacknowledged", lambda: 7)
    await player.play(asyncio.Event())
