"""Water, power and gas: are the plants running, and is what they deliver within its limits?"""

from __future__ import annotations

from dashboards.grafana.board import Board
from dashboards.grafana.city import silent_devices
from dashboards.grafana.environment import extreme, latest, spread
from dashboards.grafana.influxql import EVERY, HERE, HOURLY_MS, WHEN, lines, newest, over_time, rolled, rows
from dashboards.grafana.look import AREA, NONE, Column, Language, Limits, Link, device, flag

TURBIDITY = Limits(((1, "#eb5757"),), ("GB 5749-2022: at most 1 NTU", "GB 5749-2022：不大于 1 NTU"))
CHLORINE = Limits(((0.05, "green"), (2, "#eb5757")), ("GB 5749-2022, free chlorine: at least 0.3 mg/L at the works and 0.05 at the tap, at most 2", "GB 5749-2022 游离氯：出厂≥0.3、末梢≥0.05、上限 2 mg/L"), "#eb5757")  # fmt: skip
PH = Limits(((6.5, "green"), (8.5, "#eb5757")), ("GB 5749-2022: 6.5 to 8.5", "GB 5749-2022：6.5～8.5"), "#eb5757")
FREQUENCY = Limits(((49.8, "green"), (50.2, "#eb5757")), ("GB/T 15945-2008: 50 Hz ± 0.2 Hz", "GB/T 15945-2008：50 Hz ± 0.2 Hz"), "#eb5757")  # fmt: skip
LEL = Limits(((10, "#f2c94c"), (25, "#f2994a"), (50, "#eb5757")), ("GB/T 50493-2019: first alarm at most 25 % LEL, second at most 50 %; 10 % is the house's notice", "GB/T 50493-2019：一级报警≤25 %LEL，二级≤50 %LEL；10 % 为本系统提示"))  # fmt: skip
H2S = Limits(((10, "#eb5757"),), ("GBZ 2.1-2019: MAC 10 mg/m³", "GBZ 2.1-2019：MAC 10 mg/m³"))
OXYGEN = Limits(((19.5, "green"), (23.5, "#eb5757")), ("GB 8958-2006: deficient below 19.5 %; enriched above 23.5 % by OSHA 29 CFR 1910.146", "GB 8958-2006：低于 19.5 % 为缺氧；23.5 % 为 OSHA 1910.146 富氧"), "#eb5757")  # fmt: skip
VIBRATION = Limits(((2.3, "#f2c94c"), (4.5, "#f2994a"), (7.1, "#eb5757")), ("ISO 20816-3:2022, group 1, rigid: zones A/B 2.3, B/C 4.5, C/D 7.1 mm/s", "ISO 20816-3:2022 第 1 组刚性：2.3、4.5、7.1 mm/s"))  # fmt: skip
COD = Limits(((50, "#f2c94c"),), ("GB 18918-2002, class 1A, daily mean 50 mg/L", "GB 18918-2002 一级 A 日均 50 mg/L"))
AMMONIA = Limits(((5, "#f2c94c"), (8, "#eb5757")), ("GB 18918-2002, class 1A, daily mean 5 mg/L (8 at 12 °C and below)", "GB 18918-2002 一级 A 日均 5（水温≤12 °C 时 8）mg/L"))  # fmt: skip
RUNNING = flag(("stopped", "停止"), ("running", "运行"))
POWER = '"active_power"'
MACHINE = '"running", "vibration_last", "temperature_last"'
MACHINE_LINE = Link(("This device", "该设备"), "device", of="${__field.labels.device}", more="&var-metric=running")


def utilities(language: Language) -> Board:
    board = Board(
        "utilities", ("Water, power and gas", "供水供电供气"), ("Do water, power and gas arrive within their limits, and is every machine running?", "供水供电供气是否在限值内？设备是否运行？"),
        "utilities", language,
    )  # fmt: skip
    board.area()

    def of(kinds: str) -> str:
        return f'{HERE} AND "kind" =~ /^({kinds})$/'

    supply, waste, power, gas, machines = of("water-plant|water-network"), of("sewage-plant|outfall"), of("substation"), of("gas-detector"), of("pump|machine")  # fmt: skip
    board.data_age("plant", "pressure", HERE, w=4)
    board.stat(
        ("Highest gas", "最高可燃气"), ("The highest newest value of a gas detector, of the last hour.", "近 1 小时可燃气探测器最新值的最大值。"),
        rows(f'SELECT max("v") AS "gas" FROM (SELECT last("methane_lel_last") AS "v" FROM "gas_1m" WHERE {WHEN} AND {gas} GROUP BY "device")'),
        unit="percent", field="gas", limits=LEL, decimals=1, w=4, recent="1h",
    )  # fmt: skip
    board.stat(
        ("Worst turbidity", "最高浊度"), ("The highest newest turbidity of works and network, of the last 3 hours.", "近 3 小时水厂与管网最新浊度最大值。"),
        rows(f'SELECT max("v") AS "turbidity" FROM (SELECT last("turbidity_last") AS "v" FROM "water_1m" WHERE {WHEN} AND {supply} GROUP BY "device")'),
        unit="NTU", field="turbidity", limits=TURBIDITY, decimals=2, w=4, recent="3h",
    )  # fmt: skip
    board.stat(
        ("Power drawn", "总有功功率"), ("Sum of the newest active power of the substations, of the last hour.", "近 1 小时各变电站最新有功功率之和。"),
        rows(f'SELECT sum("v") AS "power" FROM (SELECT last("active_power_last") AS "v" FROM "plant_1m" WHERE {WHEN} AND {power} GROUP BY "device")'),
        unit="kwatt", field="power", decimals=1, w=4, recent="1h",
    )  # fmt: skip
    board.stat(
        ("Machines running", "运行设备"), ("Pumps and machines whose newest state is running, of the last 3 hours.", "近 3 小时最新状态为运行的水泵与设备。"),
        rows(f'SELECT sum("v") AS "running" FROM (SELECT last("running_last") AS "v" FROM "plant_1m" WHERE {WHEN} AND {machines} GROUP BY "device")'),
        unit="none", field="running", decimals=0, w=4, recent="3h",
    )  # fmt: skip
    silent_devices(board, of("water-plant|water-network|sewage-plant|outfall|substation|gas-detector|pump|machine"), 4)
    board.row(("Water", "供水"))
    spread(
        board,
        ("Pressure", "压力"),
        ("Works and network.", "水厂与管网。"),
        "pressure",
        "plant",
        supply,
        "pressurekpa",
        decimals=0,
    )
    spread(board, ("Flow", "流量"), ("Works and network.", "水厂与管网。"), "flow", "plant", supply, "m³/h", decimals=0)
    board.table(
        ("Minimum night flow", "夜间最小流量"), ("The least hourly mean of the last 24 hours of each network: what still runs when nobody uses water is mostly leakage.", "各管网近 24 小时最小小时均值：无人用水时仍在流失的多为漏损。"),
        rows(f'SELECT min("flow") AS "least", mean("flow") AS "mean" FROM "plant_1h" WHERE {WHEN} AND {of("water-network")} GROUP BY "device", "area"'), w=8, sort="least", recent="1d",
        columns=[device(("Network", "管网"), "flow"), AREA, Column("least", ("Least hour", "最小小时"), "m³/h", decimals=0, cell="gauge"), Column("mean", ("Mean", "均值"), "m³/h", decimals=0)],
    )  # fmt: skip
    for metric, title, unit, limits, decimals in (
        ("free_chlorine", ("Free chlorine", "游离氯"), "mg/L", CHLORINE, 2), ("turbidity", ("Turbidity", "浊度"), "NTU", TURBIDITY, 2), ("ph", ("pH", "pH"), "pH", PH, 1),
    ):  # fmt: skip
        spread(
            board,
            title,
            ("Works and network.", "水厂与管网。"),
            metric,
            "water",
            supply,
            unit,
            limits=limits,
            decimals=decimals,
        )
    board.table(
        ("Water now", "供水现状"), ("Newest values of each works and network, of the last 3 hours.", "近 3 小时各水厂与管网最新值。"),
        rows(newest(latest("free_chlorine", "turbidity", "ph"), "water", supply, '"device", "area"')), w=12, sort="turbidity", recent="3h",
        columns=[
            device(("Works or network", "水厂或管网"), "free_chlorine"), AREA, Column("free_chlorine", ("Free chlorine", "游离氯"), "mg/L", decimals=2, limits=CHLORINE, cell="background"),
            Column("turbidity", ("Turbidity", "浊度"), "NTU", decimals=2, limits=TURBIDITY, cell="background"), Column("ph", ("pH", "pH"), decimals=1, limits=PH, cell="background"),
        ],
    )  # fmt: skip
    board.table(
        ("Pressure and flow now", "压力与流量现状"), ("Newest values of each works, network and pump, of the last 3 hours.", "近 3 小时各水厂、管网与水泵最新值。"),
        rows(newest(latest("pressure", "flow"), "plant", of("water-plant|water-network|pump"), '"device", "area"')), w=12, sort="pressure", recent="3h",
        columns=[device(("Device", "设备"), "pressure"), AREA, Column("pressure", ("Pressure", "压力"), "pressurekpa", decimals=0), Column("flow", ("Flow", "流量"), "m³/h", decimals=0)],
    )  # fmt: skip
    board.row(("Waste water", "污水"))
    spread(
        board,
        ("Effluent: COD", "出水 COD"),
        (
            "Sewage works and outfalls. One reading above a daily limit is not yet a breach of it.",
            "污水厂与排口。单次读数超日均限值不等于超标。",
        ),
        "cod",
        "water",
        waste,
        "mg/L",
        limits=COD,
        decimals=0,
    )
    spread(
        board,
        ("Effluent: ammonia nitrogen", "出水氨氮"),
        ("Sewage works and outfalls.", "污水厂与排口。"),
        "ammonia_nitrogen",
        "water",
        waste,
        "mg/L",
        limits=AMMONIA,
        decimals=1,
    )
    board.table(
        ("Days above the daily limit", "日均超标天数"), ("Days (UTC) of the last 30 whose mean was above 50 mg/L COD, by outlet.", "近 30 天 COD 日均（UTC）超过 50 mg/L 的天数。"),
        rows(f'SELECT count("cod") AS "days" FROM "water_1d" WHERE {WHEN} AND {waste} AND "cod" > 50 GROUP BY "device"'), w=8, sort="days", recent="30d", empty=NONE,
        columns=[device(("Outlet", "排口"), "cod"), Column("days", ("Days", "天数"), "none", decimals=0, limits=Limits(((1, "#f2994a"),), COD.source, "text"))],
    )  # fmt: skip
    board.row(("Power", "供电"))
    spread(
        board,
        ("Frequency", "频率"),
        ("At the substations.", "变电站。"),
        "frequency",
        "plant",
        power,
        "rothz",
        limits=FREQUENCY,
        decimals=2,
    )
    board.series(
        ("Active power", "有功功率"), ("All substations together, by the half hour: in less not every one has reported.", "各变电站合计（半小时均值，更短区间内未必全部上报）。"),
        lines(f'SELECT sum("v") AS "power" FROM (SELECT mean("active_power") AS "v" FROM {rolled(POWER, "plant", power, HOURLY_MS)} WHERE {WHEN} {EVERY}, "device" fill(none)) {EVERY} fill(none)'),
        unit="kwatt", w=8, decimals=1, interval="30m", names=[Column("power", ("all substations", "合计"), colour="#5794f2")], low=0,
    )  # fmt: skip
    board.table(
        ("Substations", "变电站"), ("Newest values, of the last hour; ±7 % of the nominal voltage is allowed up to 20 kV (GB/T 12325-2008).", "近 1 小时最新值；20 kV 及以下允许偏差 ±7 %（GB/T 12325-2008）。"),
        rows(newest(latest("voltage", "frequency", "active_power"), "plant", power, '"device", "area"')), w=8, sort="active_power", recent="1h",
        columns=[device(("Substation", "变电站"), "voltage"), Column("voltage", ("Voltage", "电压"), "volt", decimals=2), Column("frequency", ("Frequency", "频率"), "rothz", decimals=2, limits=FREQUENCY, cell="text"), Column("active_power", ("Power", "功率"), "kwatt", decimals=1)],
    )  # fmt: skip
    board.row(("Gas", "燃气"))
    extreme(
        board,
        ("Combustible gas", "可燃气体"),
        ("The highest detector, in per cent of the lower explosive limit.", "最高的探测器，%LEL。"),
        "methane_lel",
        "gas",
        gas,
        "percent",
        w=6,
        limits=LEL,
        decimals=1,
    )
    extreme(
        board,
        ("Hydrogen sulphide", "硫化氢"),
        ("The highest detector.", "最高的探测器。"),
        "h2s",
        "gas",
        gas,
        "conmgm3",
        w=6,
        limits=H2S,
        decimals=1,
    )
    extreme(
        board,
        ("Oxygen", "氧气"),
        ("The lowest detector.", "最低的探测器。"),
        "oxygen",
        "gas",
        gas,
        "percent",
        lowest=True,
        w=6,
        limits=OXYGEN,
        decimals=1,
    )
    board.table(
        ("Detectors", "探测器"), ("Newest values, of the last hour.", "近 1 小时最新值。"),
        rows(newest(latest("methane_lel", "h2s", "oxygen"), "gas", gas, '"device"')), w=6, sort="methane_lel", recent="1h",
        columns=[device(("Detector", "探测器"), "methane_lel"), Column("methane_lel", ("LEL", "LEL"), "percent", decimals=1, limits=LEL, cell="text"), Column("h2s", ("H2S", "H2S"), "conmgm3", decimals=1, limits=H2S, cell="text"), Column("oxygen", ("O2", "O2"), "percent", decimals=1, limits=OXYGEN, cell="text")],
    )  # fmt: skip
    board.row(("Machines", "设备"))
    board.states(
        ("State of machines", "设备状态"), ("Running or stopped, by machine; a gap means that it was silent.", "各设备运行/停止；空白为静默。"),
        lines(over_time('last("running_last")', '"running_last"', "plant", machines, ', "device"', "none"), "$tag_device"), states=RUNNING, link=MACHINE_LINE, interval="5m",
    )  # fmt: skip
    extreme(
        board,
        ("Vibration", "振动"),
        ("The machine that vibrates most.", "振动最大的设备。"),
        "vibration",
        "plant",
        machines,
        "mm/s",
        w=12,
        limits=VIBRATION,
        decimals=1,
    )
    board.table(
        ("Machines", "设备一览"), ("Share of the chosen time running, and the newest vibration and temperature in it.", "所选时段运行占比、最新振动与温度。"),
        rows(f'SELECT mean("running") AS "duty", last("vibration_last") AS "vibration", last("temperature_last") AS "temperature" FROM {rolled(MACHINE, "plant", machines)} GROUP BY "device", "area"'),
        w=24, sort="vibration", decimals=1,
        columns=[
            device(("Machine", "设备"), "vibration"), AREA, Column("duty", ("Running", "运行占比"), "percentunit", decimals=0, cell="gauge"),
            Column("vibration", ("Vibration", "振动"), "mm/s", decimals=1, limits=VIBRATION, cell="background"), Column("temperature", ("Temperature", "温度"), "celsius", decimals=0),
        ],
    )  # fmt: skip
    return board
