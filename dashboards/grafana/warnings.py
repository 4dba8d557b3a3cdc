"""Warnings: what is open and who must act; how fast people answered; whether they can still follow (ISA-18.2)."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.grafana.board import Board
from dashboards.grafana.fields import transformation
from dashboards.grafana.influxql import EVERY, HERE, WHEN, Query, lines, rows
from dashboards.grafana.look import (  # fmt: skip
    AREA,
    BLUE,
    GREEN,
    GREY,
    LEVELS,
    NONE,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    Column,
    Language,
    Limits,
    Said,
    States,
)

ISA = (
    "ANSI/ISA-18.2-2016, Table 7, per operator position: about 1 alarm in 10 min is very likely acceptable, 2 the most that can be managed, more than 10 is a flood",
    "ANSI/ISA-18.2-2016 表 7（每操作岗）：每 10 分钟约 1 条可接受，2 条为可管理上限，超过 10 条为泛滥",
)
LOAD = Limits(((1, YELLOW), (2, ORANGE), (10, RED)), ISA)
STALE = Limits(((1, YELLOW), (5, RED)), ("ANSI/ISA-18.2-2016, Table 7: fewer than 5 on any day", "ANSI/ISA-18.2-2016 表 7：任一天少于 5 条"))  # fmt: skip
RAISED = "\"change\" = 'raised'"
CHANGES: States = {
    "raised": (("raised", "发布"), RED), "escalated": (("escalated", "升级"), RED),
    "lowered": (("lowered", "降级"), YELLOW), "acknowledged": (("acknowledged", "已确认"), BLUE),
    "shelved": (("shelved", "搁置"), PURPLE), "unshelved": (("unshelved", "恢复"), ORANGE),
    "cleared": (("cleared", "解除"), GREEN), "expired": (("expired", "过期"), GREY),
    "called": (("next contact called", "呼叫下一联系人"), RED),
}  # fmt: skip
KEPT = ("Time", "level", "title", "area", "change", "camera", "subject", "rule")
LATEST_OF_EACH = (
    transformation(
        "groupBy",
        fields={
            "alert": {"aggregations": [], "operation": "groupby"},
            **{name: {"aggregations": ["lastNotNull"], "operation": "aggregate"} for name in KEPT},
        },
    ),
    transformation(
        "organize",
        excludeByName={"alert": True},
        indexByName={},
        renameByName={f"{name} (lastNotNull)": name for name in KEPT},
    ),
)
"""Changes folded, in the browser, into the newest state of each warning: its id is a field, not a tag."""
OPEN_ONLY = transformation(
    "filterByValue",
    filters=[
        {"fieldName": "change", "config": {"id": "equal", "options": {"value": word}}}
        for word in ("cleared", "expired")
    ],
    match="any",
    type="exclude",
)
LAST_CHANGE = Column("Time", ("Last change", "最近变化"), "dateTimeAsIso", 170)
LEVEL = Column("level", ("Level", "等级"), width=80, states=LEVELS, cell="background")
STATE = Column("change", ("State", "状态"), width=130, states=CHANGES)
SUBJECT = Column("subject", ("Subject", "对象"), width=200)
RULE = Column("rule", ("Rule", "规则"), width=190)
BY_WARNINGS = '"kind" = \'hub-warnings\' AND "device" =~ /^hub-warnings:${area:regex}$/'


def alerts_table(
    board: Board, title: Said, about: Said, where: str, columns: Sequence[Column], w: int = 24, h: int = 8,
    open_only: bool = False,
) -> None:  # fmt: skip
    """The newest state of each warning of the chosen time, newest change first."""
    fold: tuple[sdk.DataTransformerConfig, ...] = (*LATEST_OF_EACH, OPEN_ONLY) if open_only else LATEST_OF_EACH
    named = {column.name for column in columns}
    unwanted = {name: True for name in KEPT if name not in named}
    drop = transformation("organize", excludeByName=unwanted, indexByName={}, renameByName={})
    query = rows(f'SELECT "alert", "level", "change", "title", "area", "camera", "subject", "rule" FROM "alerts" WHERE {WHEN} AND {where}')  # fmt: skip
    board.table(title, about, query, columns=columns, w=w, h=h, transform=(*fold, drop), sort="Time", empty=NONE)


def by_level(words: str) -> tuple[Column, ...]:
    """Four columns or lines, gravest first, in their colours; `words` is their name, with {} for the level's."""
    return tuple(Column(words.format(level), said, colour=colour) for level, (said, colour) in LEVELS.items())


def open_by_level(board: Board, w: int) -> None:
    """Four numbers in one panel: warnings open now, gravest first."""
    sums = ", ".join(f'sum("{level}") AS "{level}"' for level in LEVELS)
    lasts = ", ".join(f'last("open_{level}") AS "{level}"' for level in LEVELS)
    board.stat(
        ("Open warnings", "未解除预警"), ("Warnings that are open now, by level, as the hub said within the last hour.", "当前未解除预警（近 1 小时内中枢报告），按等级。"),
        rows(f'SELECT {sums} FROM (SELECT {lasts} FROM "hub" WHERE {WHEN} AND {BY_WARNINGS} GROUP BY "device")'),
        unit="none", w=w, recent="1h", decimals=0,
        values=[
            Column(level, said, limits=Limits(((1, colour),), ("any open warning counts", "有未解除预警即着色"), "text"))
            for level, (said, colour) in LEVELS.items()
        ],
    )  # fmt: skip


def raised_by_level(where: str, every: str, what: str = RAISED, chosen: str = 'count("alert")', fill: str = "0") -> tuple[Query, ...]:  # fmt: skip
    """One query a level, gravest first, so that lines keep their order and colour whichever levels occur."""
    return tuple(
        lines(f"SELECT {chosen} FROM \"alerts\" WHERE {WHEN} AND {where} AND {what} AND \"level\" = '{level}' {every} fill({fill})", level)
        for level in LEVELS
    )  # fmt: skip


def warnings(language: Language) -> Board:
    board = Board(
        "warnings", ("Warnings", "预警"),
        ("Which warnings are open, how fast were they answered, and can people still follow?", "哪些预警未解除、响应多快、负荷是否可控？"),
        "warnings", language, since="now-7d", warned="",
    )  # fmt: skip
    board.area()
    board.variable("rule", ("Rule", "规则"), ("Rules that have warned", "触发过预警的规则"), 'SHOW TAG VALUES FROM "alerts" WITH KEY = "rule"')  # fmt: skip
    rule = f'{HERE} AND "rule" =~ /^${{rule:regex}}$/'
    board.data_age("device", "heard")
    open_by_level(board, 10)
    board.stat(
        ("Open over 24 h", "超 24 小时未解除"), ("Warnings open for more than 24 h.", "持续超过 24 小时未解除的预警。"),
        rows(f'SELECT sum("n") AS "stale" FROM (SELECT last("open_stale") AS "n" FROM "hub" WHERE {WHEN} AND {BY_WARNINGS} GROUP BY "device")'),
        unit="none", w=4, recent="1h", limits=STALE, decimals=0,
    )  # fmt: skip
    board.stat(
        ("Median answer", "响应中位时长"), ("Median of the time from the observation to the acknowledgement, in the chosen time.", "所选时段内自观测至确认的中位时长。"),
        rows(f'SELECT median("age_s") AS "median" FROM "alerts" WHERE {WHEN} AND {rule} AND "change" = \'acknowledged\''),
        unit="s", w=5, field="median", decimals=1, empty=NONE,
    )  # fmt: skip
    alerts_table(
        board, ("Warnings", "预警列表"), ("The newest state of every warning of this time.", "时段内每条预警的最新状态。"), rule,
        [LAST_CHANGE, LEVEL, STATE, Column("title", ("Warning", "预警")), SUBJECT, RULE, AREA, Column("camera", ("Camera", "摄像机"), width=140)], h=10,
    )  # fmt: skip
    board.row(("Response", "响应"))
    for change, title, about in (
        ("acknowledged", ("Time to acknowledge", "确认用时"), ("Mean of each day, by level.", "每日平均，按等级。")),
        ("cleared", ("Time to clear", "解除用时"), ("Mean of each day, by level.", "每日平均，按等级。")),
    ):
        board.series(
            title, about, *raised_by_level(rule, "GROUP BY time(1d)", f"\"change\" = '{change}'", 'mean("age_s")', "none"),
            unit="s", w=12, bars=True, interval="1d", names=by_level("{}"),
        )  # fmt: skip
    board.row(("Load, after ISA-18.2", "告警负荷（ISA-18.2）"))
    per_10_min = f'SELECT count("alert") AS "n" FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY time(10m) fill(0)'  # fmt: skip
    board.series(
        ("Most raised in 10 min", "每 10 分钟最多新增"), ("The busiest 10 minutes of each interval of the chart.", "图上每个区间内最忙的 10 分钟。"),
        lines(f'SELECT max("n") AS "raised" FROM ({per_10_min}) {EVERY} fill(none)'),
        unit="short", bars=True, w=12, limits=LOAD, interval="10m", names=[Column("raised", ("raised in 10 min", "10 分钟新增"), colour="#8ab8ff")], low=0, decimals=0,
    )  # fmt: skip
    board.stat(
        ("Raised in 10 minutes", "10 分钟内新增"), ("Mean and most in the chosen time.", "所选时段的均值与最大值。"),
        rows(f'SELECT mean("n") AS "mean", max("n") AS "worst" FROM ({per_10_min})'),
        unit="short", w=6, h=8, limits=LOAD, values=[Column("mean", ("mean", "均值"), decimals=2), Column("worst", ("most", "最大"), decimals=0)],
    )  # fmt: skip
    board.bars(
        ("By level", "等级分布"), ("Warnings raised. About 80 % low, 15 % medium and 5 % high is what ISA-18.2 advises.", "新增预警。ISA-18.2 建议低、中、高约 80 %、15 %、5 %。"),
        *by_level_totals(rule), unit="short", w=6, names=by_level("{}"), decimals=0, empty=NONE,
    )  # fmt: skip
    board.row(("Where they come from", "来源"))
    top = (transformation("sortBy", fields={}, sort=[{"field": "raised", "desc": True}]), transformation("limit", limitField="10"))  # fmt: skip
    for tag, title, about, column in (
        ("rule", ("Top ten rules", "前十规则"), ("Rules by warnings raised. The first ten should not make more than a few per cent of all (ISA-18.2).", "按新增预警数排列的规则。"), Column("rule", ("Rule", "规则"))),
        ("area", ("Top ten areas", "前十区域"), ("Areas by warnings raised.", "按新增预警数排列的区域。"), Column("area", ("Area", "区域"))),
    ):  # fmt: skip
        board.table(
            title, about, rows(f'SELECT count("alert") AS "raised" FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY "{tag}"'),
            w=12, sort="raised", unit="short", transform=top, columns=[column, Column("raised", ("Raised", "发布数"), cell="gauge", decimals=0)], empty=NONE,
        )  # fmt: skip
    return board


def by_level_totals(where: str) -> tuple[Query, ...]:
    """Warnings raised of each level in the whole of the chosen time, gravest first."""
    return tuple(
        lines(f"SELECT count(\"alert\") FROM \"alerts\" WHERE {WHEN} AND {where} AND {RAISED} AND \"level\" = '{level}'", level)
        for level in LEVELS
    )  # fmt: skip
