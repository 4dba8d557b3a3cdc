"""The hub itself, the health of its devices, and a page for each device: does everything that is said arrive?"""

from __future__ import annotations

from dashboards.grafana.board import Board
from dashboards.grafana.city import SILENCE, readings_rate, silent_devices
from dashboards.grafana.fields import limit_properties
from dashboards.grafana.influxql import ABOUT_DEVICE, EVERY, HERE, THIS_DEVICE, WHEN, lines, over_time, rows
from dashboards.grafana.look import AREA, GREEN, NONE, RED, YELLOW, Column, Language, Limits, device, flag
from dashboards.grafana.metrics import FAMILIES, LIMITS, UNITS
from dashboards.grafana.warnings import LAST_CHANGE, LEVEL, RULE, STATE, alerts_table

LAG = Limits(
    ((1_000, YELLOW), (100_000, RED)), ("house default, entries of the log", "本系统默认（日志条数）")
)  # fmt: skip
UP = flag(("down", "中断"), ("up", "正常"), RED, GREEN)
BATTERY = Limits(
    ((20, YELLOW), (40, GREEN)), ("house default: change it below 20 %", "本系统默认：低于 20 % 需更换"), RED
)
RSSI = Limits(((-110, YELLOW), (-90, GREEN)), ("house default; 3GPP TS 36.133 counts RSRP below -110 dBm as cell edge", "本系统默认；参考 3GPP TS 36.133"), RED)  # fmt: skip
SKEW = Limits(((60, YELLOW), (600, RED)), ("house default: 1 min, 10 min", "本系统默认：1 分钟、10 分钟"))
LEDGER = {
    "received": ("Received", "接收"), "logged": ("Logged", "入日志"), "stored": ("Stored", "入库"), "waiting": ("Waiting", "待入库"),
    "quarantined": ("Quarantined", "隔离"), "duplicate": ("Duplicate", "重复"), "refused": ("Refused", "拒收"),
}  # fmt: skip
FAULTS = {
    "frame": ("frame", "帧"), "oversize": ("too large", "过大"), "truncated": ("cut short", "截断"), "checksum": ("checksum", "校验"), "syntax": ("syntax", "语法"),
    "unsupported": ("unsupported", "不支持"), "encrypted": ("encrypted", "加密"), "incomplete": ("incomplete", "不完整"), "unknown_device": ("unknown device", "未知设备"),
    "unauthorised": ("unauthorised", "未授权"), "unknown_metric": ("unknown metric", "未知指标"), "value": ("value", "数值"), "time": ("time", "时间"), "position": ("position", "位置"),
    "rate": ("too many", "过频"), "loop": ("circle", "回环"),
}  # fmt: skip
HIGHEST, LOWEST = ("highest", "最高"), ("lowest", "最低")
HEARD, MEAN_HEARD, DEVICES = '"heard"', 'mean("heard") AS "n"', ', "device"'
ADAPTER = "^hub-adapter:(.*)$"
READER = "^hub-reader:(.*)$"
STREAM = "^hub-stream:(.*)$"


def hub(language: Language) -> Board:
    board = Board("hub", ("Hub", "中枢"), ("Does everything arrive? Received = logged + quarantined + duplicate, and logged = stored + waiting.", "数据是否全部到达？接收 = 入日志 + 隔离 + 重复；入日志 = 入库 + 待入库。"), "hub", language, warned="")  # fmt: skip
    adapters = "\"kind\" = 'hub-adapter'"
    readers = "\"kind\" = 'hub-reader'"
    board.data_age("hub", "readings_received", w=5)
    board.stat(
        ("Adapters down", "中断的接入"), ("Adapters whose newest report within the last hour is down.", "近 1 小时最新状态为中断的接入数。"),
        rows(f'SELECT count("v") - sum("v") AS "down" FROM (SELECT last("up") AS "v" FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'),
        unit="none", field="down", limits=Limits(((1, RED),), ("none should be", "应为 0")), w=4, recent="1h", decimals=0,
    )  # fmt: skip
    for field, title, limits, w in (("received", ("Readings received", "接收读数"), None, 5), ("waiting", ("Waiting for the store", "待入库"), LAG, 5), ("quarantined", ("Quarantined", "隔离"), None, 5)):  # fmt: skip
        board.stat(
            title, ("Of all adapters since the hub's first day, by their newest report within the last hour.", "各接入自首日起累计，按近 1 小时最新报告。"),
            rows(f'SELECT sum("v") AS "n" FROM (SELECT last("readings_{field}") AS "v" FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'),
            unit="short", field="n", limits=limits, w=w, recent="1h",
        )  # fmt: skip
    board.table(
        ("Ledger by adapter", "接入收支"), ("Every reading is in exactly one of the columns after the first: received = logged + quarantined + duplicate; logged = stored + waiting.", "接收 = 入日志 + 隔离 + 重复；入日志 = 入库 + 待入库。"),
        rows("SELECT " + ", ".join(f'last("readings_{name}") AS "{name}"' for name in LEDGER) + f', last("up") AS "up" FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device"'),
        w=24, unit="short", sort="received", recent="1d",
        columns=[Column("device", ("Adapter", "接入"), shorten=ADAPTER), Column("up", ("State", "状态"), states=UP, cell="background", width=90), *(Column(name, said) for name, said in LEDGER.items())],
    )  # fmt: skip
    board.states(
        ("Adapters", "接入状态"), ("Up or down; a gap means that the hub itself was silent.", "正常/中断；空白为中枢自身静默。"),
        lines(over_time('last("up_last")', '"up_last"', "hub", adapters, ', "device"', "none"), "$tag_device"), states=UP, shorten=ADAPTER, gap_s=900,
    )  # fmt: skip
    board.series(("Readings taken", "接收速率"), ("Readings a second of all adapters.", "每秒读数（全部接入）。"), lines(readings_rate("1s")), unit="ops", names=[Column("rate", ("readings a second", "每秒读数"))], low=0, decimals=1)  # fmt: skip
    board.series(
        ("Furthest behind", "最大滞后"), ("Log entries that the slowest reader has not taken yet; the table names each.", "最慢读者尚未处理的日志条数；各读者见表格。"),
        lines(over_time('max("reader_lag_max") AS "lag"', '"reader_lag_max"', "hub", readers)), unit="short", limits=LAG, names=[Column("lag", ("entries", "条"))], low=0,
    )  # fmt: skip
    board.table(
        ("Readers", "读者"), ("Where each reader of the log stands: store, rules, destinations.", "日志各读者（库、规则、目的地）的位置。"),
        rows(f'SELECT last("reader_lag") AS "lag", last("reader_skipped") AS "skipped", last("up") AS "up" FROM "hub" WHERE {WHEN} AND {readers} GROUP BY "device"'), sort="lag", unit="short", recent="1d",
        columns=[Column("device", ("Reader", "读者"), shorten=READER), Column("up", ("State", "状态"), states=UP, cell="background", width=90), Column("lag", ("Behind", "滞后"), limits=LAG, cell="text"), Column("skipped", ("Skipped", "跳过"))],
    )  # fmt: skip
    board.bars(
        ("Quarantine by reason", "隔离原因"), ("Input that could not be used, counted by the reason the hub gave.", "无法使用的输入，按原因计数。"),
        rows("SELECT " + ", ".join(f'sum("faults_{name}") AS "faults_{name}"' for name in FAULTS) + " FROM (SELECT " + ", ".join(f'last("faults_{name}") AS "faults_{name}"' for name in FAULTS) + f' FROM "hub" WHERE {WHEN} AND {adapters} GROUP BY "device")'),
        unit="short", h=12, decimals=0, names=[Column(f"faults_{name}", said) for name, said in FAULTS.items()],
    )  # fmt: skip
    board.series(
        ("New in quarantine", "新增隔离"), ("Readings a minute that could not be used.", "每分钟无法使用的读数。"),
        lines(readings_rate("1m").replace("readings_received", "readings_quarantined")), unit="short", h=12, names=[Column("rate", ("readings a minute", "每分钟读数"), colour="#b877d9")], low=0,
    )  # fmt: skip
    board.series(
        ("Log on disk", "日志占用"), ("Bytes by stream; the hub has a handful.", "各流占用字节。"),
        lines(over_time('last("log_bytes_last")', '"log_bytes_last"', "hub", "\"kind\" = 'hub-stream'", ', "device"'), "$tag_device"), unit="bytes", stacked=True, w=24, h=6, shorten=STREAM, low=0,
    )  # fmt: skip
    return board


def devices(language: Language) -> Board:
    board = Board("devices", ("Device health", "设备健康"), ("Which devices are silent, weak or wrong about the time?", "哪些设备静默、电量低或时钟不准？"), "hub", language)  # fmt: skip
    board.area()
    board.variable("kind", ("Kind", "类型"), ("Kinds of devices", "设备类型"), 'SHOW TAG VALUES FROM "device" WITH KEY = "kind"')  # fmt: skip
    here = f'{HERE} AND "kind" =~ /^${{kind:regex}}$/'
    board.data_age("device", "heard", here)
    silent_devices(board, here, 5)
    board.stat(
        ("Weakest battery", "最低电量"), ("The lowest newest charge, of the last day.", "近一天最新电量最小值。"),
        rows(f'SELECT min("v") AS "battery" FROM (SELECT last("battery_last") AS "v" FROM "device_1m" WHERE {WHEN} AND {here} GROUP BY "device")'),
        unit="percent", field="battery", limits=BATTERY, decimals=0, w=5, recent="1d", empty=NONE,
    )  # fmt: skip
    board.stat(
        ("Worst clock", "最大时钟偏差"), ("The largest difference between a device's clock and the hub's.", "设备时钟与中枢之差的最大值。"),
        rows(f'SELECT max("v") AS "skew" FROM (SELECT last("clock_skew") AS "v" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device")'),
        unit="s", field="skew", limits=SKEW, decimals=0, w=5, recent="1h",
    )  # fmt: skip
    board.stat(
        ("Devices told of", "有报告设备"), ("Devices that the hub has told of within the last hour.", "近 1 小时内中枢有报告的设备数。"),
        rows(f'SELECT count("n") AS "devices" FROM (SELECT last("heard") AS "n" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="none", field="devices", w=4, recent="1h", decimals=0,
    )  # fmt: skip
    board.table(
        ("Devices", "设备一览"), ("Newest report on each device, of the last hour.", "近 1 小时各设备最新报告。"),
        rows(f'SELECT last("silence") AS "silence", "clock_skew", "warning_level", "label" FROM "device" WHERE {WHEN} AND {here} GROUP BY "device", "kind", "area"'), w=14, h=14, sort="silence", recent="1h",
        columns=[
            device(("Device", "设备")), Column("label", ("Name", "名称")), Column("kind", ("Kind", "类型")), AREA,
            Column("silence", ("Silent for", "静默时长"), "s", limits=SILENCE, cell="background"), Column("clock_skew", ("Clock off by", "时钟偏差"), "s", limits=SKEW, cell="text", decimals=0),
        ],
    )  # fmt: skip
    board.table(
        ("Battery and signal", "电量与信号"), ("Newest values of each device that tells them, of the last day.", "近一天各设备最新电量与信号。"),
        rows(f'SELECT last("battery_last") AS "battery", last("rssi_last") AS "rssi" FROM "device_1m" WHERE {WHEN} AND {here} AND "kind" !~ /^hub-/ GROUP BY "device"'), w=10, h=14, sort="rssi", recent="1d", empty=NONE,
        columns=[device(("Device", "设备"), "battery"), Column("battery", ("Battery", "电量"), "percent", decimals=0, limits=BATTERY, cell="gauge"), Column("rssi", ("Signal", "信号"), "dBm", decimals=0, limits=RSSI, cell="text")],
    )  # fmt: skip
    board.series(
        ("Readings a minute", "每分钟读数"), ("Of all chosen devices together.", "所选设备合计。"),
        lines(f'SELECT sum("n") AS "rate" FROM ({over_time(MEAN_HEARD, HEARD, "device", here, DEVICES, "none")}) {EVERY} fill(none)'),
        unit="short", names=[Column("rate", ("readings a minute", "每分钟读数"))], low=0,
    )  # fmt: skip
    board.series(
        ("Longest silence", "最长静默"), ("Of any chosen device.", "所选设备中的最大值。"),
        lines(over_time('max("silence_max") AS "silence"', '"silence_max"', "device", here)), unit="s", limits=SILENCE, names=[Column("silence", ("silent for", "静默时长"))], low=0,
    )  # fmt: skip
    return board


def one_device(language: Language) -> Board:
    """One device and one of its metrics, with the limits the metric has, and what its values were marked as."""
    here = THIS_DEVICE
    board = Board(
        "device", ("Device", "单设备"), ("What does this device say, can it be believed, and is it heard?", "该设备的数据、可信度与在线状态。"),
        "city", language, warned=ABOUT_DEVICE, marks=True,
    )  # fmt: skip
    board.variable("device", ("Device", "设备"), ("Devices that have been heard", "上报过的设备"), 'SHOW TAG VALUES FROM "device" WITH KEY = "device" WHERE "kind" !~ /^(vehicle|bus|taxi|phone|vessel|.*truck)$/', several=False)  # fmt: skip
    board.variable(
        "metric", ("Metric", "指标"), ("What the city's devices measure", "城市设备测量的指标"),
        f"SHOW FIELD KEYS FROM /^{FAMILIES}_1h$/", several=False, regex="/^(.*)_count$/", start="battery",
    )  # fmt: skip
    board.stat(
        ("Last heard", "最近上报"), ("When the hub last looked, and how long the device had been silent then.", "中枢最近检查时该设备已静默的时长。"),
        rows(f'SELECT last("silence") AS "silence" FROM "device" WHERE {WHEN} AND {here}'), unit="s", field="silence", limits=SILENCE, w=5, recent="1h",
    )  # fmt: skip
    board.data_age("device", "heard", here)
    board.stat(
        ("Value now", "当前值"), ("The newest value of the chosen metric, of the last day; marked values are left out.", "所选指标近一天最新值；不含标记数据。"),
        lines(f'SELECT last("${{metric}}_last") FROM /^{FAMILIES}_1m$/ WHERE {WHEN} AND {here}', "$metric"), unit="none", w=4, recent="1d",
        values=[Column(name, (name, name), UNITS.get(name, ""), limits=LIMITS.get(name)) for name in UNITS],
    )  # fmt: skip
    board.stat(
        ("Clock off by", "时钟偏差"), ("Receive time minus observed time, smoothed: late reports or a wrong clock.", "接收时间减观测时间（平滑）：迟报或时钟错误。"),
        rows(f'SELECT last("clock_skew") AS "skew" FROM "device" WHERE {WHEN} AND {here}'), unit="s", field="skew", limits=SKEW, decimals=0, w=5, recent="1h",
    )  # fmt: skip
    board.stat(
        ("Marked values", "标记数据"), ("Values of the chosen metric that the device or the hub marked as doubtful, in the chosen time.", "所选时段内被设备或中枢标记的数据个数。"),
        rows(f'SELECT count("q_${{metric}}") AS "marked" FROM /^{FAMILIES}$/ WHERE {WHEN} AND {here} AND "q_${{metric}}" > 0'), unit="none", field="marked", w=5, decimals=0, empty=NONE,
        limits=Limits(((1, YELLOW),), ("any mark is worth a look", "有标记即需核查")),
    )  # fmt: skip
    board.series(
        ("Value over time", "数值变化"), ("Mean, highest and lowest of the chosen metric in each interval, with its limits; marked values are left out.", "所选指标各区间均值、最高与最低及其限值；不含标记数据。"),
        lines(over_time('mean("v")', '"$metric" AS "v"', FAMILIES, here), "$metric"),
        lines(over_time('max("v")', '"${metric}_max" AS "v"', FAMILIES, here), f"$metric {board.say(HIGHEST)}"),
        lines(over_time('min("v")', '"${metric}_min" AS "v"', FAMILIES, here), f"$metric {board.say(LOWEST)}"),
        unit="none", w=24, h=10,
        # All three lines of a metric have its unit, or Grafana would give them axes of their own.
        by_pattern={f"/^{name}( .*)?$/": {"unit": unit} | (limit_properties(LIMITS[name]) if name in LIMITS else {}) for name, unit in UNITS.items()}
        | {f"/ ({'|'.join(said)})$/": {"custom.lineStyle": {"fill": "dash", "dash": [6, 6]}, "custom.fillOpacity": 0} for said in (HIGHEST, LOWEST)},
        sources=list(LIMITS.values()),
    )  # fmt: skip
    board.series(
        ("Marked values", "标记数据"), ("What was marked and is therefore in no mean, rollup or panel: stopped, maintenance, manual, fault, calibration, over-range, lost, invalid, estimated, doubted.", "被标记、因而不计入任何均值的数据。"),
        lines(f'SELECT "$metric" AS "v" FROM /^{FAMILIES}$/ WHERE {WHEN} AND {here} AND "q_${{metric}}" > 0 LIMIT 5000', "marked"),
        unit="none", w=12, points=True, empty=NONE, names=[Column("marked", ("marked", "已标记"), colour=RED)],
    )  # fmt: skip
    board.series(
        ("Readings a minute", "每分钟读数"), ("Gaps show as gaps.", "缺报即断线。"),
        lines(over_time('mean("heard") AS "rate"', '"heard"', "device", here)), unit="short", w=12, names=[Column("rate", ("readings a minute", "每分钟读数"))], low=0, gap_s=900,
    )  # fmt: skip
    board.series(
        ("Silence", "静默"), ("How long the device had been silent when the hub looked.", "中枢检查时已静默的时长。"),
        lines(over_time('max("silence_max") AS "silence"', '"silence_max"', "device", here)), unit="s", w=12, limits=SILENCE, names=[Column("silence", ("silent for", "静默时长"))], low=0,
    )  # fmt: skip
    alerts_table(
        board, ("Warnings", "预警"), ("Warnings about this device, alone or with another.", "与该设备（或另一设备）相关的预警。"), ABOUT_DEVICE,
        [LAST_CHANGE, LEVEL, STATE, Column("title", ("Warning", "预警")), RULE], w=12,
    )  # fmt: skip
    return board
