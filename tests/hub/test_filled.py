"""What the machines of a city find of each other: whether somebody does its work, whose clock differs, who has whose name, what is ill elsewhere."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import msgspec
import pytest

from hub.app.filled import CLOCKS_S, VACANT_S, Filled
from hub.app.roles import FORGOTTEN_S, GONE_S, Node, Nodes, Said, doors, ill
from hub.app.telemetry import _adapters as of_adapters
from hub.health import Health
from hub.ledger import Ledger
from hub.log.board import Nobody
from hub.moment import SECOND
from hub.options import WORK


class BoardOf:
    """A board on which the test says everything."""

    def __init__(self) -> None:
        self.tell: Callable[[bytes], None] = lambda said: None

    async def say(self, said: bytes) -> None:
        self.tell(said)

    def hear(self, told: Callable[[bytes], None]) -> None:
        self.tell = told

    async def ask(self, question: bytes, within_s: float, place: str = "") -> bytes:
        raise Nobody

    def answer(self, by: Callable[[bytes], Awaitable[bytes | None]], alone: bool = False) -> str:
        return "nobody asks here"


NOW = 1_000_000 * SECOND
Clock = Callable[[float], None]


class Town:
    """A machine that shows, and what it hears of others."""

    def __init__(self) -> None:
        self.health, self.board = Health(lambda: NOW), BoardOf()
        own = Node("show", ["api"], "", True)
        self.nodes = Nodes("show", self.board, lambda: own, Said, lambda: NOW)
        self.destinations = True
        self.filled = Filled(self.health, self.nodes, lambda: self.destinations)

    def hear(self, name: str, roles: list[str], **more: object) -> None:
        self.board.tell(msgspec.json.encode(Said(Node(name, roles, "", True), **more)))  # type: ignore[arg-type]

    def state(self, part: str) -> tuple[str, str, str]:
        self.filled.look()
        found = self.health.part(part)
        return found.state, found.why.en, found.why.zh


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Lets seconds pass."""
    at = time.monotonic()

    def passes(seconds: float) -> None:
        nonlocal at
        at += seconds

    monkeypatch.setattr(time, "monotonic", lambda: at)
    return passes


def test_a_role_that_nobody_fills_is_down_on_every_machine_and_makes_none_unready(passes: Clock) -> None:
    town = Town()
    assert town.state("role/rules")[0] == "starting"
    passes(VACANT_S + 1)
    for role in WORK:
        assert town.state(f"role/{role}")[0] == "down"
    assert "no warnings" in town.state("role/rules")[1]
    assert "预警" in town.state("role/rules")[2]
    town.hear("judge", ["rules"])
    assert town.state("role/rules") == ("up", "judge does it", "由 judge 执行")
    assert town.state("role/store")[0] == "down"
    passes(GONE_S + 1)
    assert town.state("role/rules")[0] == "starting", "somebody may be taking over"
    passes(VACANT_S)
    assert town.state("role/rules")[0] == "down"
    assert town.health.ready


def test_where_machines_share_the_rules_each_part_is_missed(passes: Clock) -> None:
    town = Town()
    town.filled = Filled(town.health, town.nodes, lambda: True, lambda: 2)
    town.filled.look()
    passes(VACANT_S + 1)
    town.hear("judge", ["rules", "rules-0"])
    assert town.state("role/rules-0")[0] == "up"
    state, why, why_zh = town.state("role/rules-1")
    assert (state, "no warnings" in why, "预警" in why_zh) == ("down", True, True)


def test_another_number_of_parts_than_holds_is_told_on_every_machine() -> None:
    town, number = Town(), [2]
    town.filled = Filled(town.health, town.nodes, lambda: True, lambda: number[0])

    def wants(name: str, partitions: int, *roles: str, counts: bool = True) -> None:
        node = Node(name, list(roles), "", True, ["rules"], partitions, counts)
        town.board.tell(msgspec.json.encode(Said(node)))

    wants("a", 2, "rules-0")
    wants("b", 2, "rules-1")
    assert town.state("machines") == ("up", "", "")
    wants("b", 4, "rules-1")
    state, why, why_zh = town.state("machines")
    assert state == "degraded"
    assert why == (
        "[rules] partitions differs between machines (2 on a; 4 on b); the rules are judged in 2 parts until all say the same"
    )
    assert "b 为 4" in why_zh
    wants("a", 4, "rules-0")
    state, why, why_zh = town.state("machines")
    assert (state, why) == ("degraded", "the rules are judged in 2 parts and go over to 4 parts")
    assert "2 个分区改为 4 个分区" in why_zh
    number[0] = 4
    assert town.state("machines")[0] == "up"
    assert "role/rules-3" in {part.name for part in town.health.parts()}
    wants("b", 2, "rules-1", counts=False)
    state, why, why_zh = town.state("machines")
    assert state == "degraded"
    assert why == (
        "b: [rules] partitions = 2 does not count, for nobody has written it there since the city went over to 4 parts; write 4"
    )
    assert "请改为 4" in why_zh
    number[0] = 1
    wants("a", 1)
    wants("b", 1)
    assert town.state("machines")[0] == "up"
    assert not [part.name for part in town.health.parts() if part.name.startswith("role/rules-")]


async def test_a_machine_that_is_lost_is_named_and_one_that_was_told_to_end_is_not(passes: Clock) -> None:
    town = Town()
    for name in ("door-1", "door-2"):
        town.hear(name, ["ingest"])
    town.hear("door-2", ["ingest"], leaves=True)
    assert [node.node for node in town.nodes.all()] == ["door-1", "show"]
    passes(GONE_S + 1)
    state, why, why_zh = town.state("machines")
    assert (state, why) == ("degraded", "door-1 is not heard any more (it did ingest)")
    assert "door-1" in why_zh
    town.hear("door-1", ["ingest"])
    assert town.state("machines")[0] == "up"
    passes(FORGOTTEN_S)
    assert town.state("machines")[0] == "up", "nobody misses it for ever"


async def test_the_last_word_of_a_machine_says_that_it_leaves() -> None:
    town, heard = Town(), list[Said]()
    town.board.tell = lambda said: heard.append(msgspec.json.decode(said, type=Said))
    await town.nodes.leave()
    assert [(said.node.node, said.leaves) for said in heard] == [("show", True)]


def test_a_city_without_destinations_misses_nobody_who_delivers(passes: Clock) -> None:
    town = Town()
    town.destinations = False
    passes(VACANT_S + 1)
    assert town.state("role/delivery")[0] == "up"
    town.destinations = True
    assert town.state("role/delivery")[0] == "down"


def test_a_machine_with_the_same_name_is_told_and_what_it_does_counts() -> None:
    town = Town()
    assert town.state("machines")[0] == "up"
    town.hear("show", ["rules"], run="another")
    state, why, why_zh = town.state("machines")
    assert (state, "--node" in why, "--node" in why_zh) == ("degraded", True, True)
    assert town.state("role/rules")[0] == "up"


async def test_what_a_machine_says_itself_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()

    async def no_more(_: float) -> None:
        raise InterruptedError

    monkeypatch.setattr("hub.app.roles.asyncio.sleep", no_more)
    with pytest.raises(InterruptedError):
        await town.nodes.run()
    assert town.nodes.twin is None
    assert [node.node for node in town.nodes.all()] == ["show"]
    assert town.state("machines")[0] == "up"


@pytest.mark.parametrize(
    ("ahead_s", "said", "said_zh"), [(3600, "3600 s ahead", "快 3600 秒"), (-90, "90 s behind", "慢 90 秒")]
)
def test_a_clock_that_differs_is_told(ahead_s: int, said: str, said_zh: str) -> None:
    town = Town()
    town.hear("judge", ["rules"], at=NOW + ahead_s * SECOND)
    state, why, why_zh = town.state("machines")
    assert (state, said in why, said_zh in why_zh) == ("degraded", True, True), why
    town.hear("judge", ["rules"], at=NOW + round((CLOCKS_S - 1) * SECOND))
    assert town.state("machines") == ("up", "", "")
    town.hear("old", [])  # an earlier version tells no time
    assert town.state("machines") == ("up", "", "")


def test_what_is_ill_elsewhere_is_told_here_and_not_once_more_of_what_each_finds_by_itself(passes: Clock) -> None:
    other = Health(lambda: NOW)
    other.part("adapter/mqtt").report("down", "closed by the broker")
    other.part("rules", required=True).report("degraded", "ill rules: one")
    other.part("role/store").report("down")
    other.part("machines").report("degraded")
    other.part("watch", state="up")
    town = Town()
    town.hear("door", ["ingest"], ill=ill(other))
    found = {part.name: (part.state, part.why.en, part.required) for part in town.nodes.ill()}
    assert found == {
        "adapter/mqtt@door": ("down", "closed by the broker", False),
        "rules@door": ("degraded", "ill rules: one", True),
    }
    assert town.health.ready
    passes(GONE_S + 1)
    assert town.nodes.ill() == []


def test_a_door_on_another_machine_is_up_for_the_one_that_judges_and_down_where_one_of_them_is() -> None:
    """Each door of another machine stood as down in the figures that the judge notes."""
    town = Town()
    town.hear("door-1", ["ingest"], doors={"mqtt": True, "jt808": True})
    town.hear("door-2", ["ingest"], doors={"mqtt": True, "jt808": False})
    up = town.nodes.doors({"modbus": True})
    assert up == {"mqtt": True, "jt808": False, "modbus": True}
    books = Ledger()
    for name in ("mqtt", "jt808", "gone"):
        books.of(name).frames += 1
    noted = {reading.device: reading.values["up"] for reading in of_adapters(up, books, NOW)}
    assert noted == {"hub-adapter:mqtt": True, "hub-adapter:jt808": False, "hub-adapter:gone": False}


def test_a_machine_without_the_role_api_tells_no_door_at_its_address() -> None:
    there = SimpleNamespace(status=SimpleNamespace(state="up"))
    ingest = SimpleNamespace(doors={"api": there, "mqtt": there})
    assert doors(ingest, ["ingest"]) == {"mqtt": True}  # type: ignore[arg-type]
    assert doors(ingest, ["ingest", "api"]) == {"api": True, "mqtt": True}  # type: ignore[arg-type]
