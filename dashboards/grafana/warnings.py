"""Warnings: what they are, how fast they were answered, and whether people can still follow (ISA-18.2)."""

from __future__ import annotations

from dashboards.grafana.board import LEVELS, Board, Column, Language, Limits, transformation
from dashboards.grafana.influxql import AREA, WHEN, Query, lines, rows

ISA = (
    "ANSI/ISA-18.2-2016, Table 7, per operator position: about 1 alarm in 10 min is very likely acceptable, 2 the most that can be managed, more than 10 is a flood",
    "ANSI/ISA-18.2-2016 表 7（每操作岗）：每 10 分钟约 1 条可接受，2 条为可管理上限，超过 10 条为泛滥",
)
LOAD = Limits(((1, "#f2c94c"), (2, "#f2994a"), (10, "#eb5757")), ISA)
RAISED = "\"change\" = 'raised'"
STATES = {
    "raised": (("raised", "发布"), "#eb5757"), "escalated": (("escalated", "升级"), "#eb5757"),
    "lowered": (("lowered", "降级"), "#f2c94c"), "acknowledged": (("acknowledged", "已确认"), "#2f80ed"),
    "shelved": (("shelved", "搁置"), "#9b51e0"), "unshelved": (("unshelved", "恢复"), "#f2994a"),
    "cleared": (("cleared", "解除"), "#27ae60"), "expired": (("expired", "过期"), "#828282"),
    "called": (("next contact called", "呼叫下一联系人"), "#eb5757"),
}  # fmt: skip
LATEST_OF_EACH = transformation(
    "groupBy",
    fields={
        "alert": {"aggregations": [], "operation": "groupby"},
        **{
            name: {"aggregations": ["lastNotNull"], "operation": "aggregate"}
            for name in ("Time", "level", "title", "area", "change", "camera", "subject", "rule")
        },
    },
)
RENAMED_TIME = transformation("organize", excludeByName={}, indexByName={}, renameByName={"Time (lastNotNull)": "Time"})
ENDED = [
    {"fieldName": "change (lastNotNull)", "config": {"id": "equal", "options": {"value": word}}}
    for word in ("cleared", "expired")
]
OPEN_CHANGES = (
    LATEST_OF_EACH,
    transformation("filterByValue", filters=ENDED, match="any", type="exclude"),
    RENAMED_TIME,
)
"""The changes of a time folded, in the browser, into what is still open: an alert's id is a field, not a tag."""


def state_of_each_alert(where: str) -> str:
    return (
        'SELECT "alert", "level", "change", "title", "area", "camera", "subject", "rule" '
        f'FROM "alerts" WHERE {WHEN} AND {where}'
    )


def open_now(level: str) -> Query:
    return rows(
        f'SELECT sum("n") AS "open" FROM (SELECT last("open_{level}") AS "n" FROM "hub" WHERE {WHEN} '
        'AND "kind" = \'hub-warnings\' AND "device" =~ /^hub-warnings:$area$/ GROUP BY "device")'
    )


def level_stats(board: Board) -> None:
    """Four numbers: warnings open now, by level."""
    for level, ((english, chinese), colour) in reversed(tuple(LEVELS.items())):
        board.stat(
            (f"Open: {english}", f"未解除：{chinese}"),
            (f"Warnings of level {english} that are open now.", f"当前未解除的{chinese}预警数。"),
            open_now(level), unit="none", field="open", recent="1h",
            limits=Limits(((1, colour),), ("any open warning counts", "有未解除预警即着色")),
        )  # fmt: skip


def warnings(language: Language) -> Board:
    board = Board(
        "warnings", ("Warnings", "预警"),
        ("What was warned of, how fast people answered, and whether the load can be handled.", "预警内容、响应速度与告警负荷。"),
        "warnings", language, since="now-7d",
    )  # fmt: skip
    board.area()
    board.variable(
        "rule",
        ("Rule", "规则"),
        ("Rules that have warned", "触发过预警的规则"),
        'SHOW TAG VALUES FROM "alerts" WITH KEY = "rule"',
    )
    rule = f'{AREA} AND "rule" =~ /^$rule$/'
    board.data_age("device", "heard")
    level_stats(board)
    board.stat(
        ("Stale", "长期未解除"), ("Warnings open for more than 24 h.", "持续超过 24 小时未解除的预警。"),
        rows(
            f'SELECT sum("n") AS "stale" FROM (SELECT last("open_stale") AS "n" FROM "hub" WHERE {WHEN} '
            'AND "kind" = \'hub-warnings\' AND "device" =~ /^hub-warnings:$area$/ GROUP BY "device")'
        ),
        unit="none", field="stale",
        limits=Limits(((1, "#f2c94c"), (5, "#eb5757")), ("ANSI/ISA-18.2-2016, Table 7: fewer than 5 on any day", "ANSI/ISA-18.2-2016 表 7：任一天少于 5 条")),
    )  # fmt: skip
    board.table(
        ("Warnings", "预警列表"), ("The newest state of every warning of this time.", "时段内每条预警的最新状态。"),
        rows(state_of_each_alert(rule)), transform=(LATEST_OF_EACH, RENAMED_TIME), w=24, h=10, sort="Time",
        columns=[
            Column("Time", ("Last change", "最近变化"), "dateTimeAsIso", 170),
            Column("change (lastNotNull)", ("State", "状态"), width=110, mapping=STATES),
            Column("level (lastNotNull)", ("Level", "等级"), width=80, mapping=LEVELS),
            Column("title (lastNotNull)", ("Warning", "预警")),
            Column("subject (lastNotNull)", ("Subject", "对象"), width=200),
            Column("rule (lastNotNull)", ("Rule", "规则"), width=200),
            Column("area (lastNotNull)", ("Area", "区域"), width=100),
            Column("camera (lastNotNull)", ("Camera", "摄像机"), width=140),
            Column("alert", ("Warning id", "预警编号"), hidden=True),
        ],
    )  # fmt: skip
    board.row(("Response", "响应"))
    for change, title in (
        ("acknowledged", ("Time to acknowledge", "确认用时")),
        ("cleared", ("Time to clear", "解除用时")),
    ):
        board.stat(
            title, (f"Median of the time from the observation to {change}.", "自观测至该操作的中位时长。"),
            rows(f'SELECT median("age_s") AS "median" FROM "alerts" WHERE {WHEN} AND {rule} AND "change" = \'{change}\''),
            unit="s", field="median",
        )  # fmt: skip
    board.series(
        ("Time to acknowledge, by level", "确认用时（按等级）"), ("Mean of each day.", "每日平均。"),
        lines(f'SELECT mean("age_s") FROM "alerts" WHERE {WHEN} AND {rule} AND "change" = \'acknowledged\' GROUP BY time(1d), "level" fill(none)', "$tag_level"),
        unit="s", w=16, bars=True, interval="1d",
    )  # fmt: skip
    board.row(("Load, after ISA-18.2", "告警负荷（ISA-18.2）"))
    board.series(
        ("Warnings per 10 min", "每 10 分钟预警数"), ("Warnings raised in each 10 minutes.", "每 10 分钟新增预警。"),
        lines(f'SELECT count("alert") FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY time(10m) fill(0)', "all"),
        unit="short", bars=True, w=12, limits=LOAD, interval="10m",
    )  # fmt: skip
    board.stat(
        ("Mean per 10 min", "10 分钟均值"), ("Mean number of warnings raised in 10 minutes.", "每 10 分钟新增预警均值。"),
        rows(f'SELECT mean("n") AS "mean" FROM (SELECT count("alert") AS "n" FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY time(10m) fill(0))'),
        unit="short", field="mean", limits=LOAD, decimals=2,
    )  # fmt: skip
    board.stat(
        ("Worst 10 min", "最忙 10 分钟"), ("Most warnings raised in any 10 minutes.", "任一 10 分钟内的最大新增数。"),
        rows(f'SELECT max("n") AS "worst" FROM (SELECT count("alert") AS "n" FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY time(10m) fill(0))'),
        unit="short", field="worst", limits=LOAD,
    )  # fmt: skip
    board.bars(
        ("By level", "等级分布"), ("Warnings raised. About 80 % low, 15 % medium and 5 % high is what ISA-18.2 advises.", "新增预警。ISA-18.2 建议低、中、高约 80 %、15 %、5 %。"),
        lines(f'SELECT count("alert") FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY "level"', "$tag_level"),
        unit="short", w=4, h=8,
    )  # fmt: skip
    board.row(("Where they come from", "来源"))
    board.table(
        ("Top ten rules", "前十规则"), ("Rules by warnings raised. The first ten should not make more than a few per cent of all (ISA-18.2).", "按新增预警数排列的规则。"),
        rows(f'SELECT count("alert") AS "raised" FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY "rule"'),
        w=12, sort="raised", unit="short",
        transform=(transformation("sortBy", fields={}, sort=[{"field": "raised", "desc": True}]), transformation("limit", limitField="10")),
        columns=[Column("Time", ("Time", "时间"), hidden=True), Column("rule", ("Rule", "规则")), Column("raised", ("Raised", "发布数"))],
    )  # fmt: skip
    board.bars(
        ("By area", "区域分布"), ("Warnings raised in each area.", "各区域新增预警。"),
        lines(f'SELECT count("alert") FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY "area"', "$tag_area"),
        unit="short", w=6,
    )  # fmt: skip
    board.series(
        ("Per rule", "各规则趋势"), ("Warnings raised, by rule.", "按规则的新增预警。"),
        lines(f'SELECT count("alert") FROM "alerts" WHERE {WHEN} AND {rule} AND {RAISED} GROUP BY time($__interval), "rule" fill(0)', "$tag_rule"),
        unit="short", bars=True, stacked=True, w=6, interval="1h",
    )  # fmt: skip
    return board
