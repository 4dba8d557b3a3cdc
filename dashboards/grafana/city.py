"""City overview: is anything wrong, where, and can the picture be trusted?"""

from __future__ import annotations

from dashboards.grafana.board import LEVELS, ROW_LINK, Board, Column, Language, Limits, Link, transformation
from dashboards.grafana.influxql import AREA, ROLLUP, WHEN, Query, lines, rows
from dashboards.grafana.warnings import OPEN_CHANGES, level_stats, state_of_each_alert

DEVICE = Link(("Device health", "设备健康"), "devices", of=ROW_LINK)
WARNING_STEPS = Limits(
    ((1, "#2f80ed"), (2, "#f2c94c"), (3, "#f2994a"), (4, "#eb5757")),
    (
        "the four levels of the national response law: blue, yellow, orange, red",
        "《突发事件应对法》四级预警：蓝、黄、橙、红",
    ),
)
LATEST_OF_DEVICES = (
    'SELECT last("warning_level") AS "warning_level", "lat", "lon", "silence", "label" FROM "device" '
    f'WHERE {WHEN} AND {AREA} GROUP BY "device", "kind", "area"'
)


def city(language: Language) -> Board:
    board = Board(
        "city", ("City overview", "城市总览"),
        ("Every device on one map, what is warned of now, and how fresh the picture is.", "全部设备一张图：当前预警与数据新鲜度。"),
        "city", language, refresh="30s",
    )  # fmt: skip
    board.area()
    board.resolution("")
    board.setting(
        "hub", ("Hub address", "中枢地址"),
        ("Where the hub's console is reached from this browser", "浏览器可访问的中枢控制台地址"), "http://127.0.0.1:8080",
    )  # fmt: skip
    board.data_age("device", "heard", AREA)
    level_stats(board)
    board.stat(
        ("Devices reporting", "在线设备"), ("Devices that have reported within the chosen time.", "所选时段内上报过的设备数。"),
        Query(f'SELECT count("n") AS "devices" FROM (SELECT last("heard") AS "n" FROM "device" WHERE {WHEN} AND {AREA} GROUP BY "device")'),
        unit="none", field="devices",
    )  # fmt: skip
    board.map(
        ("Devices by state", "设备状态图"),
        ("Every device at its place; the colour is the highest level of the warnings open on it.", "设备位置；颜色为其未解除预警的最高等级。"),
        rows(LATEST_OF_DEVICES), colour_by="warning_level", unit="none", w=14, h=16, limits=WARNING_STEPS,
        columns=[
            Column("device", ("Device", "设备"), link=DEVICE),
            Column("silence", ("Silent for", "静默时长"), "s"),
            Column("label", ("Name", "名称")),
            Column("warning_level", ("Warning level", "预警等级")),
        ],
    )  # fmt: skip
    board.table(
        ("Warnings of this time", "时段内预警"),
        ("The newest state of every warning. Its name opens it in the hub's console, the camera the picture of the place.",
         "每条预警的最新状态。点击标题打开中枢控制台，点击摄像机查看现场。"),
        rows(state_of_each_alert(AREA)), transform=OPEN_CHANGES, w=10, h=16, sort="Time",
        columns=[
            Column("Time", ("Since", "时间"), "dateTimeFromNow", 110),
            Column("level (lastNotNull)", ("Level", "等级"), width=80, mapping=LEVELS),
            Column("title (lastNotNull)", ("Warning", "预警"), url="${hub}/#alerts"),
            Column("area (lastNotNull)", ("Area", "区域"), width=90),
            Column("camera (lastNotNull)", ("Camera", "摄像机"), width=110, url="${hub}/#camera=${__value.raw}"),
            Column("change (lastNotNull)", ("State", "状态"), hidden=True),
            Column("alert", ("Warning id", "预警编号"), hidden=True),
        ],
    )  # fmt: skip
    board.series(
        ("Warnings raised", "预警时间线"), ("Warnings raised or escalated, by level.", "新增与升级的预警，按等级。"),
        lines(
            f'SELECT count("alert") FROM "alerts" WHERE {WHEN} AND {AREA} AND "change" =~ /^(raised|escalated)$/ '
            'GROUP BY time($__interval), "level" fill(0)', "$tag_level",
        ),
        unit="short", bars=True, stacked=True, w=12, interval="10m",
    )  # fmt: skip
    board.series(
        ("Readings taken", "读数接收量"), ("Readings a minute, by area.", "每分钟读数，按区域。"),
        lines(
            f'SELECT sum("v") FROM (SELECT mean("heard") AS "v" FROM "device{ROLLUP}" WHERE {WHEN} AND {AREA} '
            f'GROUP BY time($__interval), "device", "area") WHERE {WHEN} GROUP BY time($__interval), "area" fill(null)',
            "$tag_area",
        ),
        unit="short", stacked=True, w=12,
    )  # fmt: skip
    board.table(
        ("Open warnings by area", "各区域未解除预警"), ("How many warnings of each level are open in an area now.", "各区域当前未解除预警数量。"),
        rows(
            'SELECT last("open_red") AS "red", last("open_orange") AS "orange", last("open_yellow") AS "yellow", last("open_blue") AS "blue" '
            f'FROM "hub" WHERE {WHEN} AND "kind" = \'hub-warnings\' AND "device" =~ /^hub-warnings:$area$/ GROUP BY "device"'
        ),
        w=12, h=8, sort="red", transform=[transformation("organize", excludeByName={"Time": True}, indexByName={}, renameByName={})],
        columns=[Column("device", ("Area", "区域")), *(Column(level, said) for level, (said, _) in LEVELS.items())],
    )  # fmt: skip
    board.table(
        ("Silent longest", "静默最久的设备"), ("Devices by how long nothing was heard of them.", "按静默时长排列的设备。"),
        rows(f'SELECT last("silence") AS "silence", "label" FROM "device" WHERE {WHEN} AND {AREA} GROUP BY "device", "kind", "area"'),
        w=12, h=8, sort="silence", unit="s",
        limits=Limits(((3600, "#f2c94c"), (86400, "#eb5757")), ("house default: an hour, a day", "本系统默认：1 小时、1 天")),
        columns=[
            Column("Time", ("Checked", "检查时间"), "dateTimeFromNow", hidden=True),
            Column("device", ("Device", "设备"), link=DEVICE),
            Column("label", ("Name", "名称")),
            Column("silence", ("Silent for", "静默时长"), "s"),
        ],
    )  # fmt: skip
    return board
