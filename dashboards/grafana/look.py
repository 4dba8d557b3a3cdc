"""Words, colours, limits and columns: what dashboards say and how it looks, before any of it is a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Said: TypeAlias = tuple[str, str]
"""The same in English and in Chinese."""
Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
States: TypeAlias = Mapping[str, tuple[Said, str]]
"""Value → (word, colour)."""

BLUE, YELLOW, ORANGE, RED = "#2f80ed", "#f2c94c", "#f2994a", "#eb5757"
GREEN, GREY, PURPLE = "#27ae60", "#828282", "#9b51e0"

LEVELS: States = {
    "red": (("red", "红色"), RED),
    "orange": (("orange", "橙色"), ORANGE),
    "yellow": (("yellow", "黄色"), YELLOW),
    "blue": (("blue", "蓝色"), BLUE),
}
"""The four levels of the national response law, gravest first: everywhere in this order and in these colours."""
LEVEL_NUMBERS: States = {
    "0": (("calm", "正常"), GREEN),
    **{str(4 - at): state for at, state in enumerate(LEVELS.values())},
}
"""`warning_level` of the family `device` as words."""

NO_VALUE: Said = ("no data", "暂无数据")
NONE: Said = ("none", "无")
"""Where an empty answer means that nothing is there to be counted."""


def flag(off: Said, on: Said, off_colour: str = GREY, on_colour: str = GREEN) -> States:
    """A flag's two words. The store keeps flags as 0 and 1; a server that others write to may have true and false."""
    return {value: (off, off_colour) for value in ("0", "false")} | {value: (on, on_colour) for value in ("1", "true")}


class Limits(NamedTuple):
    """Thresholds: (from this value on, colour), lowest first, below all of them `base`; and where they come from."""

    steps: tuple[tuple[float, str], ...]
    source: Said
    base: str = GREEN


class Link(NamedTuple):
    """A way from a value to another dashboard, for the device of its row or line."""

    title: Said
    board: str
    """Name of the dashboard, without prefix and language."""
    variable: str = "device"
    of: str = "${__data.fields.device}"
    """The value that the other dashboard's variable takes: of a table's row; lines use "${__field.labels.device}"."""
    more: str = ""
    """Further variables, such as `&var-metric=pm25`."""


class Column(NamedTuple):
    """What one column of a table, value of a stat or line of a chart shows otherwise than its panel as a whole."""

    name: str
    """As the query or the transformations before call it."""
    title: Said
    unit: str = ""
    width: int | None = None
    decimals: int | None = None
    link: Link | None = None
    url: str = ""
    """An address elsewhere, such as a camera's picture; may hold ${__value.raw}."""
    states: States | None = None
    shorten: str = ""
    """A regular expression whose groups are shown in the place of the whole text: `^hub-adapter:(.*)$`."""
    limits: Limits | None = None
    colour: str = ""
    cell: Literal["", "text", "background", "gauge"] = ""
    dashed: bool = False


def device(title: Said, metric: str = "", width: int | None = None, board: str = "device") -> Column:
    """The column that names a row's device and leads to its page, on `metric` there."""
    link = Link(("This device", "该设备"), board, more=f"&var-metric={metric}" if metric else "")
    return Column("device", title, link=link, width=width)


AREA = Column("area", ("Area", "区域"), states={"-": (("no area", "未划区"), "text")}, width=110)
