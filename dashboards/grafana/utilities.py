"""Water, power and gas: are the plants running, and is what they deliver within its limits?"""

from __future__ import annotations

from dashboards.grafana.board import Board, Column, Language, Limits, Link
from dashboards.grafana.city import DEVICE
from dashboards.grafana.influxql import AREA, ROLLUP, WHEN, lines, rows

PLANT = Link(("This device", "该设备"), "devices")
TURBIDITY = Limits(((1, "#eb5757"),), ("GB 5749-2022: at most 1 NTU", "GB 5749-2022：不大于 1 NTU"))
CHLORINE = Limits(((0.05, "green"), (2, "#eb5757")), ("GB 5749-2022, free chlorine: at least 0.3 mg/L at the works and 0.05 at the tap, at most 2", "GB 5749-2022 游离氯：出厂≥0.3、末梢≥0.05、上限 2 mg/L"), "#eb5757")  # fmt: skip
PH = Limits(((6.5, "green"), (8.5, "#eb5757")), ("GB 5749-2022: 6.5 to 8.5", "GB 5749-2022：6.5～8.5"), "#eb5757")
FREQUENCY = Limits(((49.8, "green"), (50.2, "#eb5757")), ("GB/T 15945-2008: 50 Hz ± 0.2 Hz", "GB/T 15945-2008：50 Hz ± 0.2 Hz"), "#eb5757")  # fmt: skip
LEL = Limits(((10, "#f2c94c"), (25, "#f2994a"), (50, "#eb5757")), ("GB/T 50493-2019: first alarm at most 25 % LEL, second at most 50 %; 10 % is the house's notice", "GB/T 50493-2019：一级报警≤25 %LEL，二级≤50 %LEL；10 % 为本系统提示"))  # fmt: skip
H2S = Limits(((10, "#eb5757"),), ("GBZ 2.1-2019: MAC 10 mg/m³", "GBZ 2.1-2019：MAC 10 mg/m³"))
OXYGEN = Limits(((19.5, "green"), (23.5, "#eb5757")), ("GB 8958-2006: deficient below 19.5 %; enriched above 23.5 % by OSHA 29 CFR 1910.146", "GB 8958-2006：低于 19.5 % 为缺氧；23.5 % 为 OSHA 1910.146 富氧"), "#eb5757")  # fmt: skip
VIBRATION = Limits(((2.3, "#f2c94c"), (4.5, "#f2994a"), (7.1, "#eb5757")), ("ISO 20816-3:2022, group 1, rigid: zones A/B 2.3, B/C 4.5, C/D 7.1 mm/s", "ISO 20816-3:2022 第 1 组刚性：2.3、4.5、7.1 mm/s"))  # fmt: skip
RUNNING = {"0": (("stopped", "停止"), "#828282"), "1": (("running", "运行"), "#27ae60")}


def utilities(language: Language) -> Board:
    board = Board(
        "utilities", ("Water, power and gas", "供水供电供气"), ("Plants and networks: what they deliver, within which limits, and what is running.", "厂站与管网：供应、限值与设备状态。"),
        "utilities", language,
    )  # fmt: skip
    board.area()
    board.resolution("")

    def drawn(metric: str, family: str, kinds: str, how: str = "mean") -> str:
        return f'SELECT {how}("{metric}") FROM "{family}{ROLLUP}" WHERE {WHEN} AND {AREA} AND "kind" =~ /^({kinds})$/ GROUP BY time($__interval), "device" fill(null)'

    board.data_age("plant", "pressure", AREA)
    board.stat(
        ("Machines running", "运行设备"), ("Pumps and machines whose newest state is running.", "最新状态为运行的水泵与设备。"),
        rows(f'SELECT sum("v") AS "running" FROM (SELECT last("running") AS "v" FROM "plant" WHERE {WHEN} AND {AREA} GROUP BY "device")'), unit="none", field="running",
    )  # fmt: skip
    board.stat(
        ("Power drawn", "总有功功率"), ("Sum of the newest active power of the substations.", "各变电站最新有功功率之和。"),
        rows(f'SELECT sum("v") AS "power" FROM (SELECT last("active_power") AS "v" FROM "plant" WHERE {WHEN} AND {AREA} AND "kind" = \'substation\' GROUP BY "device")'), unit="kwatt", field="power",
    )  # fmt: skip
    board.stat(
        ("Highest gas", "最高可燃气"), ("The highest newest value of a gas detector.", "可燃气探测器最新值的最大值。"),
        rows(f'SELECT max("v") AS "gas" FROM (SELECT last("methane_lel") AS "v" FROM "gas" WHERE {WHEN} AND {AREA} GROUP BY "device")'), unit="percent", field="gas", limits=LEL, decimals=1,
    )  # fmt: skip
    board.stat(
        ("Highest turbidity", "最高浊度"), ("The highest newest turbidity of works and network.", "水厂与管网最新浊度最大值。"),
        rows(f'SELECT max("v") AS "turbidity" FROM (SELECT last("turbidity") AS "v" FROM "water" WHERE {WHEN} AND {AREA} AND "kind" =~ /^(water-plant|water-network)$/ GROUP BY "device")'), unit="NTU", field="turbidity", limits=TURBIDITY, decimals=2,
    )  # fmt: skip
    board.row(("Water", "供水"))
    board.series(("Pressure", "压力"), ("Works and network.", "水厂与管网。"), lines(drawn("pressure", "plant", "water-plant|water-network|pump")), unit="pressurekpa", w=8, link=PLANT)  # fmt: skip
    board.series(("Flow", "流量"), ("Works and network.", "水厂与管网。"), lines(drawn("flow", "plant", "water-plant|water-network|pump|sewage-plant")), unit="m³/h", w=8, link=PLANT)  # fmt: skip
    board.series(
        ("Minimum night flow", "夜间最小流量"), ("The least hourly mean of each day: what still runs when nobody uses water is mostly leakage.", "每日最小小时均值：无人用水时仍在流失的多为漏损。"),
        lines(f'SELECT min("f") FROM (SELECT mean("flow") AS "f" FROM "plant{ROLLUP}" WHERE {WHEN} AND {AREA} AND "kind" = \'water-network\' GROUP BY time(1h), "device") WHERE {WHEN} GROUP BY time(1d), "device" fill(none)'),
        unit="m³/h", w=8, bars=True, interval="1d", link=PLANT,
    )  # fmt: skip
    for metric, title, unit, limits in (
        ("free_chlorine", ("Free chlorine", "游离氯"), "mg/L", CHLORINE), ("turbidity", ("Turbidity", "浊度"), "NTU", TURBIDITY), ("ph", ("pH", "pH"), "pH", PH),
    ):  # fmt: skip
        board.series(title, ("Works and network.", "水厂与管网。"), lines(drawn(metric, "water", "water-plant|water-network")), unit=unit, w=8, limits=limits, link=PLANT)  # fmt: skip
    board.series(("Effluent: COD", "出水 COD"), ("Sewage works and outfalls. One reading above a daily limit is not yet a breach of it.", "污水厂与排口。单次读数超日均限值不等于超标。"), lines(drawn("cod", "water", "sewage-plant|outfall")), unit="mg/L", w=12, limits=Limits(((50, "#f2c94c"),), ("GB 18918-2002, class 1A, daily mean 50 mg/L", "GB 18918-2002 一级 A 日均 50 mg/L")), link=PLANT)  # fmt: skip
    board.series(("Effluent: ammonia nitrogen", "出水氨氮"), ("Sewage works and outfalls.", "污水厂与排口。"), lines(drawn("ammonia_nitrogen", "water", "sewage-plant|outfall")), unit="mg/L", w=12, limits=Limits(((5, "#f2c94c"), (8, "#eb5757")), ("GB 18918-2002, class 1A, daily mean 5 mg/L (8 at 12 °C and below)", "GB 18918-2002 一级 A 日均 5（水温≤12 °C 时 8）mg/L")), link=PLANT)  # fmt: skip
    board.row(("Power", "供电"))
    board.series(("Frequency", "频率"), ("At the substations.", "变电站。"), lines(drawn("frequency", "plant", "substation")), unit="rothz", w=8, limits=FREQUENCY, link=PLANT)  # fmt: skip
    board.series(("Voltage", "电压"), ("At the substations; ±7 % of the nominal voltage is allowed up to 20 kV (GB/T 12325-2008).", "变电站；20 kV 及以下允许偏差 ±7 %（GB/T 12325-2008）。"), lines(drawn("voltage", "plant", "substation")), unit="volt", w=8, link=PLANT)  # fmt: skip
    board.series(("Active power", "有功功率"), ("At the substations.", "变电站。"), lines(drawn("active_power", "plant", "substation")), unit="kwatt", w=8, stacked=True, link=PLANT)  # fmt: skip
    board.row(("Gas", "燃气"))
    board.series(("Combustible gas", "可燃气体"), ("Highest in each interval, in per cent of the lower explosive limit.", "区间最大值，%LEL。"), lines(drawn("methane_lel", "gas", "gas-detector", "max")), unit="percent", w=8, limits=LEL, link=PLANT)  # fmt: skip
    board.series(("Hydrogen sulphide", "硫化氢"), ("Highest in each interval.", "区间最大值。"), lines(drawn("h2s", "gas", "gas-detector", "max")), unit="conmgm3", w=8, limits=H2S, link=PLANT)  # fmt: skip
    board.series(("Oxygen", "氧气"), ("Lowest in each interval.", "区间最小值。"), lines(drawn("oxygen", "gas", "gas-detector", "min")), unit="percent", w=8, limits=OXYGEN, link=PLANT)  # fmt: skip
    board.row(("Machines", "设备"))
    board.states(
        ("State of machines", "设备状态"), ("Running or stopped, by machine.", "各设备运行/停止。"),
        lines(f'SELECT last("running") FROM "plant" WHERE {WHEN} AND {AREA} AND "kind" =~ /^(pump|machine)$/ GROUP BY time($__interval), "device" fill(null)'), mapping=RUNNING, link=PLANT,
    )  # fmt: skip
    board.series(("Vibration", "振动"), ("Mean vibration velocity.", "平均振动速度。"), lines(drawn("vibration", "plant", "pump|machine")), unit="mm/s", limits=VIBRATION, link=PLANT)  # fmt: skip
    board.table(
        ("Machines", "设备一览"), ("Share of the time running, and the newest vibration and temperature.", "运行时间占比、最新振动与温度。"),
        rows(f'SELECT mean("running") AS "duty", last("vibration") AS "vibration", last("temperature") AS "temperature" FROM "plant" WHERE {WHEN} AND {AREA} AND "kind" =~ /^(pump|machine)$/ GROUP BY "device", "area"'),
        w=24, unit="none", sort="duty", decimals=1,
        columns=[
            Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Machine", "设备"), link=DEVICE), Column("area", ("Area", "区域")),
            Column("duty", ("Running", "运行占比"), "percentunit"), Column("vibration", ("Vibration", "振动"), "mm/s"), Column("temperature", ("Temperature", "温度"), "celsius"),
        ],
    )  # fmt: skip
    return board
