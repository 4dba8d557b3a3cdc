"""The hub itself, and the health of its devices: does everything that is said arrive?"""

from __future__ import annotations

from dashboards.grafana.board import ROW_LINK, Board, Column, Language, Limits, Link
from dashboards.grafana.influxql import AREA, WHEN, lines, rows

DEVICE_ROW = Link(("This device", "该设备"), "devices", of=ROW_LINK)
DEVICE_LINE = Link(("This device", "该设备"), "devices")
LAG = Limits(
    ((1_000, "#f2c94c"), (100_000, "#eb5757")), ("house default, entries of the log", "本系统默认（日志条数）")
)
UP = {"0": (("down", "中断"), "#eb5757"), "1": (("up", "正常"), "#27ae60")}
BATTERY = Limits(
    ((20, "#f2c94c"), (40, "green")), ("house default: change it below 20 %", "本系统默认：低于 20 % 需更换"), "#eb5757"
)
RSSI = Limits(((-110, "#f2c94c"), (-90, "green")), ("house default; 3GPP TS 36.133 counts RSRP below -110 dBm as cell edge", "本系统默认；参考 3GPP TS 36.133"), "#eb5757")  # fmt: skip
SKEW = Limits(((60, "#f2c94c"), (600, "#eb5757")), ("house default: 1 min, 10 min", "本系统默认：1 分钟、10 分钟"))
LEDGER = {
    "received": ("Received", "接收"), "logged": ("Logged", "入日志"), "stored": ("Stored", "入库"), "waiting": ("Waiting", "待入库"),
    "quarantined": ("Quarantined", "隔离"), "duplicate": ("Duplicate", "重复"), "refused": ("Refused", "拒收"),
}  # fmt: skip
FAULTS = ("frame", "oversize", "truncated", "checksum", "syntax", "unsupported", "encrypted", "incomplete", "unknown_device", "unauthorised", "unknown_metric", "value", "time", "position", "rate", "loop")  # fmt: skip


def hub(language: Language) -> Board:
    board = Board("hub", ("Hub", "中枢"), ("The ledger: received = logged + quarantined + duplicate, and what is on its way to the store.", "收支平衡：接收 = 入日志 + 隔离 + 重复，以及待入库数量。"), "hub", language)  # fmt: skip
    adapters = "\"kind\" = 'hub-adapter'"
    readers = "\"kind\" = 'hub-reader'"
    board.data_age("hub", "readings_received")
    for field, title, limits in (("received", ("Readings received", "接收读数"), None), ("waiting", ("Waiting for the store", "待入库"), LAG), ("quarantined", ("Quarantined", "隔离"), None)):  # fmt: skip
        board.stat(title, ("Of all adapters, by their newest report.", "各接入最新报告之和。"), rows(f'SELECT sum("v") AS "n" FROM (SELECT last("readings_{field}") AS "v" FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'), unit="short", field="n", limits=limits)  # fmt: skip
    board.stat(("Adapters down", "中断的接入"), ("Adapters whose newest report is down.", "最新状态为中断的接入数。"), rows(f'SELECT count("v") - sum("v") AS "down" FROM (SELECT last("up") AS "v" FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'), unit="none", field="down", limits=Limits(((1, "#eb5757"),), ("none should be", "应为 0")))  # fmt: skip
    board.table(
        ("Ledger by adapter", "接入收支"), ("Every reading is in exactly one of the columns after the first: received = logged + quarantined + duplicate; logged = stored + waiting.", "接收 = 入日志 + 隔离 + 重复；入日志 = 入库 + 待入库。"),
        rows("SELECT " + ", ".join(f'last("readings_{name}") AS "{name}"' for name in LEDGER) + f' FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device"'), w=24, h=8, unit="short", sort="received",
        columns=[Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Adapter", "接入")), *(Column(name, said) for name, said in LEDGER.items())],
    )  # fmt: skip
    board.series(("Readings received", "接收速率"), ("Readings a second, by adapter.", "每秒读数，按接入。"), lines(f'SELECT non_negative_derivative(last("readings_received"), 1s) FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY time($__interval), "device" fill(none)'), unit="ops", stacked=True)  # fmt: skip
    board.states(("Adapters", "接入状态"), ("Up or down.", "正常/中断。"), lines(f'SELECT last("up") FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY time($__interval), "device" fill(null)'), mapping=UP)  # fmt: skip
    board.series(("Lag by reader", "读者滞后"), ("Log entries that each reader has not taken yet: store, rules, destinations.", "各读者（库、规则、目的地）尚未处理的日志条数。"), lines(f'SELECT max("reader_lag") FROM "hub" WHERE {WHEN} AND {readers} GROUP BY time($__interval), "device" fill(null)'), unit="short", limits=LAG)  # fmt: skip
    board.table(
        ("Readers", "读者"), ("Where each reader of the log stands.", "日志各读者的位置。"),
        rows(f'SELECT last("reader_lag") AS "lag", last("reader_skipped") AS "skipped", last("up") AS "up" FROM "hub" WHERE {WHEN} AND {readers} GROUP BY "device"'), sort="lag", unit="short",
        columns=[Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Reader", "读者")), Column("lag", ("Behind", "滞后")), Column("skipped", ("Skipped", "跳过")), Column("up", ("State", "状态"), mapping=UP)],
    )  # fmt: skip
    board.bars(
        ("Quarantine by reason", "隔离原因"), ("Input that could not be used, counted by the reason the hub gave.", "无法使用的输入，按原因计数。"),
        rows("SELECT " + ", ".join(f'sum("{name}") AS "{name}"' for name in FAULTS) + " FROM (SELECT " + ", ".join(f'last("faults_{name}") AS "{name}"' for name in FAULTS) + f' FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'), unit="short", h=10,
    )  # fmt: skip
    board.series(("New in quarantine", "新增隔离"), ("Readings a minute that could not be used, by adapter.", "每分钟无法使用的读数，按接入。"), lines(f'SELECT non_negative_derivative(last("readings_quarantined"), 1m) FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY time($__interval), "device" fill(none)'), unit="short", stacked=True, h=10)  # fmt: skip
    board.series(("Log on disk", "日志占用"), ("Bytes by stream.", "各流占用字节。"), lines(f'SELECT last("log_bytes") FROM "hub" WHERE {WHEN} AND "kind" = \'hub-stream\' GROUP BY time($__interval), "device" fill(null)'), unit="bytes", stacked=True, w=24, h=6)  # fmt: skip
    return board


def devices(language: Language) -> Board:
    board = Board("devices", ("Device health", "设备健康"), ("Last heard, battery, signal, gaps and clocks of the devices.", "设备最近上报、电量、信号、缺报与时钟。"), "hub", language)  # fmt: skip
    board.area()
    board.variable(
        "kind", ("Kind", "类型"), ("Kinds of devices", "设备类型"), 'SHOW TAG VALUES FROM "device" WITH KEY = "kind"'
    )
    board.variable(
        "device",
        ("Device", "设备"),
        ("Devices that have been heard", "上报过的设备"),
        'SHOW TAG VALUES FROM "device" WITH KEY = "device"',
    )
    here = f'{AREA} AND "kind" =~ /^$kind$/ AND "device" =~ /^$device$/'
    board.data_age("device", "heard", here)
    board.stat(("Silent for over an hour", "静默超 1 小时"), ("Devices unheard for more than an hour.", "超过 1 小时无数据的设备。"), rows(f'SELECT count("s") AS "silent" FROM (SELECT last("silence") AS "s" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device") WHERE "s" > 3600'), unit="none", field="silent", limits=Limits(((1, "#f2c94c"),), ("house default", "本系统默认")))  # fmt: skip
    board.stat(("Weakest battery", "最低电量"), ("The lowest newest charge.", "最新电量最小值。"), rows(f'SELECT min("v") AS "battery" FROM (SELECT last("battery") AS "v" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="percent", field="battery", limits=BATTERY, decimals=0)  # fmt: skip
    board.stat(("Worst clock", "最大时钟偏差"), ("The largest difference between a device's clock and the hub's.", "设备时钟与中枢之差的最大值。"), rows(f'SELECT max("v") AS "skew" FROM (SELECT last("clock_skew") AS "v" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="s", field="skew", limits=SKEW, decimals=0)  # fmt: skip
    board.table(
        ("Devices", "设备一览"), ("Newest report on each device.", "各设备最新报告。"),
        rows(f'SELECT last("silence") AS "silence", "clock_skew", "heard", "warning_level", "label" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device", "kind", "area"'), w=24, h=12, sort="silence",
        columns=[
            Column("Time", ("Checked", "检查时间"), "dateTimeAsIso"), Column("device", ("Device", "设备"), link=DEVICE_ROW), Column("label", ("Name", "名称")), Column("kind", ("Kind", "类型")), Column("area", ("Area", "区域")),
            Column("silence", ("Silent for", "静默时长"), "s"), Column("clock_skew", ("Clock off by", "时钟偏差"), "s"), Column("heard", ("Readings a minute", "每分钟读数")), Column("warning_level", ("Warning level", "预警等级")),
        ],
    )  # fmt: skip
    board.series(("Readings a minute", "每分钟读数"), ("Gaps show as gaps.", "缺报即断线。"), lines(f'SELECT mean("heard") FROM "device" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="short", link=DEVICE_LINE)  # fmt: skip
    board.series(("Silent for", "静默时长"), ("How long a device had been silent when it was looked at.", "检查时已静默的时长。"), lines(f'SELECT max("silence") FROM "device" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="s", link=DEVICE_LINE, limits=Limits(((3600, "#f2c94c"), (86400, "#eb5757")), ("house default: an hour, a day", "本系统默认：1 小时、1 天")))  # fmt: skip
    board.series(("Battery", "电量"), ("Lowest of each interval.", "区间最小值。"), lines(f'SELECT min("battery") FROM "device" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="percent", w=8, limits=BATTERY, link=DEVICE_LINE)  # fmt: skip
    board.series(("Signal", "信号"), ("Mean signal strength.", "平均信号强度。"), lines(f'SELECT mean("rssi") FROM "device" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="dBm", w=8, limits=RSSI, link=DEVICE_LINE)  # fmt: skip
    board.series(("Clock", "时钟偏差"), ("Receive time minus observed time, smoothed: late reports or a wrong clock.", "接收时间减观测时间（平滑）：迟报或时钟错误。"), lines(f'SELECT max("clock_skew") FROM "device" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="s", w=8, limits=SKEW, link=DEVICE_LINE)  # fmt: skip
    board.table(("Gaps", "缺报"), ("Hours with fewer reports on the device, from the hub's own look at it each minute.", "各小时读数合计。"), rows(f'SELECT sum("heard") AS "readings" FROM "device" WHERE {WHEN} AND {here} GROUP BY time(1h), "device" fill(0)'), w=24, sort="Time", columns=[Column("Time", ("Hour", "小时"), "dateTimeAsIso"), Column("device", ("Device", "设备"), link=DEVICE_ROW), Column("readings", ("Readings", "读数"))])  # fmt: skip
    return board
