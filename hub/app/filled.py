"""Whether somebody does the city's work where several machines share it. A machine that takes in or shows is well by itself while nobody judges, so
it has to say so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from hub.app.keeping import PART
from hub.app.parts_number import outdated, told
from hub.app.roles import AMONG, ROLE, Nodes
from hub.bilingual import Text, joined
from hub.health import Health, Part
from hub.options import WORK

VACANT_S = 20.0
"""A role is down once nobody has been heard for so long who fills it: a take-over takes some seconds."""
CLOCKS_S = 5.0
"""So far the clocks of two machines may differ, with what lies between saying and hearing."""
UNDONE = {
    "rules": Text("no machine judges, so no warnings are raised", "没有机器在执行规则判断，因此不会产生预警"),
    "store": Text("no machine stores, so history waits in the log", "没有机器在写入历史，数据暂存于日志"),
    "delivery": Text(
        "no machine delivers, so warnings reach no destination", "没有机器在投递，因此预警不会送达任何目标"
    ),
}

UNJUDGED = Text(
    "no machine judges this part of the rules, so no warnings are raised",
    "没有机器执行这部分规则判断，因此不会产生预警",
)


class Filled:
    """A part for each role that one machine fills at a time, and for each part of the rules where machines share them. None is required: a door must go on taking in while nobody judges."""

    def __init__(
        self, health: Health, nodes: Nodes, destinations: Callable[[], bool], parts: Callable[[], int] = lambda: 0
    ) -> None:
        """`destinations`: whether the city has any. `parts`: among how many the rules are judged; 0 while nobody says."""
        self._health, self._nodes, self._destinations, self._number = health, nodes, destinations, parts
        self._shared = 0
        """As many parts of the rules are looked at."""
        self._parts: dict[str, Part] = {}
        self._vacant_since: dict[str, float] = {}
        self._add(WORK)
        self._among = health.part(AMONG, state="up")

    def _add(self, roles: Iterable[str]) -> None:
        for role in roles:
            self._parts[role] = self._health.part(ROLE + role)
            self._vacant_since[role] = time.monotonic()

    def look(self) -> None:
        at = time.monotonic()
        self._look_at(self._number() or self._shared)
        for role, part in self._parts.items():
            self._judge(role, part, at)
        self._among.report(*self._odd())

    def _look_at(self, number: int) -> None:
        """So many parts there are now: one engine is none."""
        wanted = number if number > 1 else 0
        for part in range(wanted, self._shared):
            role = PART.format(part=part)
            del self._parts[role], self._vacant_since[role]
            self._health.forget(ROLE + role)
        self._add(PART.format(part=part) for part in range(self._shared, wanted))
        self._shared = wanted

    def _judge(self, role: str, part: Part, at: float) -> None:
        who = self._nodes.who(role)
        if who is not None:
            self._vacant_since[role] = at
            part.report("up", Text(f"{who} does it", f"由 {who} 执行"))
        elif role == "delivery" and not self._destinations():
            part.report("up", Text("the city has no destinations", "本市没有投递目标"))
        else:
            part.report("down" if at - self._vacant_since[role] > VACANT_S else "starting", UNDONE.get(role, UNJUDGED))

    def _odd(self) -> tuple[str, Text]:
        """What is wrong between machines that are well each by itself."""
        wrong = []
        if self._nodes.twin is not None:
            wrong.append(
                Text(
                    "another machine has this one's name; give each its own (--node)",
                    "另有一台机器与本机同名；请用 --node 为每台机器命名",
                )
            )
        for lost in self._nodes.lost():
            did = ", ".join(lost.roles) or "–"
            wrong.append(
                Text(
                    f"{lost.node} is not heard any more (it did {did})", f"不再收到 {lost.node} 的消息（其职责：{did}）"
                )
            )
        for node, ahead_s in sorted(self._nodes.ahead_s().items()):
            if abs(ahead_s) > CLOCKS_S:
                how, how_zh = ("ahead of", "快") if ahead_s > 0 else ("behind", "慢")
                wrong.append(
                    Text(
                        f"the clock of {node} is {abs(ahead_s):.0f} s {how} this one's",
                        f"{node} 的时钟比本机{how_zh} {abs(ahead_s):.0f} 秒",
                    )
                )
        wrong += self._other_number() + self._outdated_number()
        return ("degraded", joined(wrong)) if wrong else ("up", Text("", ""))

    def _other_number(self) -> list[Text]:
        """Where the rules are not judged in as many parts as the city folders of all machines say."""
        now, wanted = self._number(), told(self._nodes.all())
        wanted.pop(0, None)
        if not now or not wanted or wanted.keys() == {now}:
            return []
        if len(wanted) == 1:
            (number,) = wanted
            return [
                Text(
                    f"the rules are judged in {_parts(now)} and go over to {_parts(number)}",
                    f"规则判断正从 {now} 个分区改为 {number} 个分区",
                )
            ]
        said = [(number, ", ".join(sorted(nodes))) for number, nodes in sorted(wanted.items())]
        each = "; ".join(f"{number} on {nodes}" for number, nodes in said)
        each_zh = "；".join(f"{nodes} 为 {number}" for number, nodes in said)
        return [
            Text(
                f"[rules] partitions differs between machines ({each}); the rules are judged in {_parts(now)} until all say the same",
                f"各机器的 [rules] partitions 不一致（{each_zh}）；在全部一致之前，规则仍按 {now} 个分区判断",
            )
        ]

    def _outdated_number(self) -> list[Text]:
        """Where a city folder says a number that nobody has written there since another came to hold."""
        now = self._number()
        return [
            Text(
                f"{', '.join(sorted(nodes))}: [rules] partitions = {number} does not count, for nobody has written it there since the city went over to {_parts(now)}; write {now}",
                f"{'、'.join(sorted(nodes))}：[rules] partitions = {number} 不计入，因为全市改为 {now} 个分区后无人在该处改动过；请改为 {now}",
            )
            for number, nodes in sorted(outdated(self._nodes.all()).items())
            if now and number
        ]


def _parts(number: int) -> str:
    return "one part" if number == 1 else f"{number} parts"
