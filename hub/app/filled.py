"""Whether somebody does the city's work where several machines share it. A machine that takes in or shows is well by itself while nobody judges, so
it has to say so."""

from __future__ import annotations

import time
from collections.abc import Callable

from hub.app.keeping import PART
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

    def __init__(self, health: Health, nodes: Nodes, destinations: Callable[[], bool], parts: int = 1) -> None:
        """`destinations`: whether the city has any. `parts`: among how many the rules are shared."""
        self._nodes, self._destinations = nodes, destinations
        roles = [*WORK, *(PART.format(part=part) for part in range(parts if parts > 1 else 0))]
        self._parts = {role: health.part(ROLE + role) for role in roles}
        self._among = health.part(AMONG, state="up")
        self._vacant_since = dict.fromkeys(roles, time.monotonic())

    def look(self) -> None:
        at = time.monotonic()
        for role, part in self._parts.items():
            self._judge(role, part, at)
        self._among.report(*self._odd())

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
        return ("degraded", joined(wrong)) if wrong else ("up", Text("", ""))
