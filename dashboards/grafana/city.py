"""City overview: is anything wrong, where, and can the picture be trusted?"""

from __future__ import annotations

from dashboards.grafana.board import Board, Layer
from dashboards.grafana.influxql import EVERY, HERE, WHEN, lines, rolled, rows
from dashboards.grafana.look import (  # fmt: skip
    AREA,
    GREY,
    LEVEL_NUMBERS,
    LEVELS,
    NONE,
    RED,
    YELLOW,
    Column,
    Language,
    Limits,
    device,
)
from dashboards.grafana.warnings import BY_WARNINGS, LEVEL, alerts_table, by_level, open_by_level, raised_by_level

SILENT_S = 3600
SILENCE = Limits(((SILENT_S, YELLOW), (86400, RED)), ("house default: an hour, a day", "本系统默认：1 小时、1 天"))
LATEST_OF_DEVICES = (
    'SELECT last("warning_level") AS "level", "silence", "lat", "lon", "label" FROM "device" '
    f'WHERE {WHEN} AND {HERE} GROUP BY "device", "kind", "area"'
)


def devices_where(condition: str) -> str:
    """Devices whose newest report meets a condition on `level` and `silence`."""
    return (
        'SELECT "level", "silence", "lat", "lon", "label" '
        f'FROM ({LATEST_OF_DEVICES}) WHERE {condition} GROUP BY "device", "kind", "area"'
    )


def silent_devices(board: Board, where: str, w: int) -> None:
    """How many devices of a page have been silent for an hour."""
    board.stat(
        ("Silent over 1 h", "静默超 1 小时"),
        ("Devices from which nothing was heard for an hour. It says “none” too where the hub itself reports nothing: see Newest data.",
         "超过 1 小时无数据的设备数。中枢自身无报告时亦显示“无”，请对照“最新数据”。"),
        rows(f'SELECT count("s") AS "silent" FROM (SELECT last("silence") AS "s" FROM "device" WHERE {WHEN} AND {where} GROUP BY "device") WHERE "s" > {SILENT_S}'),
        unit="none", field="silent", w=w, recent="1h", decimals=0, empty=NONE,
        limits=Limits(((1, YELLOW),), ("house default: an hour", "本系统默认：1 小时")),
    )  # fmt: skip


def city(language: Language) -> Board:
    board = Board(
        "city", ("City overview", "城市总览"), ("Is anything wrong now, where, and how fresh is the picture?", "当前哪里有异常？数据是否新鲜？"),
        "city", language, refresh="30s",
    )  # fmt: skip
    board.area()
    board.setting(
        "hub", ("Hub address", "中枢地址"),
        ("Where the hub's console is reached from this browser", "浏览器可访问的中枢控制台地址"), "http://127.0.0.1:8080",
    )  # fmt: skip
    board.data_age("device", "heard", HERE)
    open_by_level(board, 9)
    board.stat(
        ("Devices", "设备"), ("Devices that the hub told of within the last hour: all, those never heard, and those without a place, which the map cannot show.", "近 1 小时内中枢有报告的设备：总数、从未上报、以及无坐标（地图不显示）。"),
        rows(f'SELECT count("level") AS "devices", count("level") - count("silence") AS "never", count("level") - count("lat") AS "unplaced" FROM (SELECT last("warning_level") AS "level", "silence", "lat" FROM "device" WHERE {WHEN} AND {HERE} GROUP BY "device")'),
        unit="none", w=6, recent="1h", decimals=0,
        values=[Column("devices", ("told of", "总数")), Column("never", ("never heard", "从未上报")), Column("unplaced", ("without a place", "无坐标"))],
    )  # fmt: skip
    silent_devices(board, HERE, 4)
    layers = [
        Layer(("silent or never heard", "静默或从未上报"), rows(devices_where(f'("silence" <= {SILENT_S}) = false AND "level" < 1')), GREY, symbol="x-mark"),
        Layer(("calm", "正常"), rows(devices_where(f'"silence" <= {SILENT_S} AND "level" < 1')), LEVEL_NUMBERS["0"][1], size=5),
        *(
            Layer(said, rows(devices_where(f'"level" = {4 - at}')), colour, size=7 + (4 - at), label="device")
            for at, (said, colour) in reversed(list(enumerate(LEVELS.values())))
        ),
    ]  # fmt: skip
    board.map(
        ("Where", "位置"),
        ("Every device at its place, coloured by the gravest warning open on it. Devices without a place are in the list below only.",
         "设备位置；颜色为其未解除预警的最高等级。无坐标的设备仅见于下方列表。"),
        *layers, w=14, h=16, recent="1h",
        columns=[
            device(("Device", "设备")), Column("label", ("Name", "名称")), Column("kind", ("Kind", "类型")), AREA,
            Column("silence", ("Silent for", "静默时长"), "s"), Column("level", ("Warning level", "预警等级"), states=LEVEL_NUMBERS),
        ],
    )  # fmt: skip
    alerts_table(
        board, ("Open warnings of this time", "时段内未解除预警"),
        ("Warnings that changed in the chosen time and are still open. The title opens the hub's console, the camera the picture of the place.",
         "所选时段内有变化且未解除的预警。点击标题打开中枢控制台，点击摄像机查看现场。"),
        HERE, [
            Column("Time", ("Since", "时间"), "dateTimeFromNow", 110), LEVEL, Column("title", ("Warning", "预警"), url="${hub}/#alerts"), AREA,
            Column("camera", ("Camera", "摄像机"), width=110, url="${hub}/#camera=${__value.raw}"),
        ], w=10, h=16, open_only=True,
    )  # fmt: skip
    board.series(
        ("Warnings raised", "预警时间线"), ("Warnings raised or escalated, by level.", "新增与升级的预警，按等级。"),
        *raised_by_level(HERE, EVERY, '"change" =~ /^(raised|escalated)$/'),
        unit="short", bars=True, stacked=True, w=12, interval="10m", names=by_level("{}"), decimals=0, low=0,
    )  # fmt: skip
    lasts = ", ".join(f'last("open_{level}") AS "{level}"' for level in LEVELS)
    board.table(
        ("Open warnings by area", "各区域未解除预警"), ("How many warnings of each level are open in an area now.", "各区域当前未解除预警数量。"),
        rows(f'SELECT {lasts} FROM "hub" WHERE {WHEN} AND {BY_WARNINGS} GROUP BY "device"'),
        w=12, sort="red", recent="1h", decimals=0,
        columns=[
            Column("device", ("Area", "区域"), states={"hub-warnings:-": (("no area", "未划区"), "text")}, shorten="^hub-warnings:(.*)$"),
            *(
                Column(level, said, limits=Limits(((1, colour),), ("any open warning counts", "有未解除预警即着色"), "transparent"), cell="background")
                for level, (said, colour) in LEVELS.items()
            ),
        ],
    )  # fmt: skip
    board.table(
        ("Silent longest", "静默最久的设备"), ("Devices by how long nothing was heard of them.", "按静默时长排列的设备。"),
        rows(f'SELECT last("silence") AS "silence", "label" FROM "device" WHERE {WHEN} AND {HERE} GROUP BY "device", "kind", "area"'),
        w=12, sort="silence", recent="1h",
        columns=[
            device(("Device", "设备")), Column("label", ("Name", "名称")), Column("kind", ("Kind", "类型"), width=130), AREA,
            Column("silence", ("Silent for", "静默时长"), "s", 120, limits=SILENCE, cell="background"),
        ],
    )  # fmt: skip
    board.series(
        ("Readings taken", "读数接收量"), ("Readings a minute that the hub took from all adapters.", "中枢每分钟接收的读数（全部接入）。"),
        lines(readings_rate("1m")), unit="short", w=12, names=[Column("rate", ("readings a minute", "每分钟读数"))], low=0,
    )  # fmt: skip
    return board


def readings_rate(unit: str) -> str:
    """What all adapters together took, per `unit`. A counter that began anew counts from there."""
    source = rolled('"readings_received_last"', "hub", "\"kind\" = 'hub-adapter'")
    each = f'SELECT non_negative_derivative(last("readings_received_last"), {unit}) AS "r" FROM {source} WHERE {WHEN} {EVERY}, "device" fill(none)'
    return f'SELECT sum("r") AS "rate" FROM ({each}) {EVERY} fill(none)'
