"""Air, rain, rivers and water quality, each against the limits in force."""

from __future__ import annotations

from dashboards.grafana.board import ROW_LINK, Board, Column, Language, Limits, Link, Said
from dashboards.grafana.city import DEVICE
from dashboards.grafana.influxql import AREA, ROLLUP, WHEN, Query, lines, rows

AQI = Limits(
    ((51, "#ffff00"), (101, "#ff7e00"), (151, "#ff0000"), (201, "#99004c"), (301, "#7e0023")),
    ("HJ 633-2026, in force since 2026-03-01: 50, 100, 150, 200, 300", "HJ 633-2026（2026-03-01 起施行）：50、100、150、200、300"),
    "#00e400",
)  # fmt: skip


def concentration(name: str, chinese: str, *knots: float) -> Limits:
    """Concentrations at which the index of HJ 633-2026 reaches 50, 100, 150, 200 and 300."""
    colours = ("#ffff00", "#ff7e00", "#ff0000", "#99004c", "#7e0023")
    return Limits(
        tuple(zip(knots, colours, strict=False)),
        (f"HJ 633-2026, Table 3, {name}", f"HJ 633-2026 表 3，{chinese}"),
        "#00e400",
    )


PM25 = concentration(
    "PM2.5 (daily knots, as in the real-time report)", "PM2.5（实时报采用 24 小时限值）", 30, 60, 115, 150, 250
)
O3 = concentration("ozone, 1 h", "臭氧 1 小时", 160, 200, 300, 400, 800)
NO2 = concentration("nitrogen dioxide, 1 h", "二氧化氮 1 小时", 100, 200, 700, 1200, 2340)
OVER_STAGE = Limits(
    ((-0.5, "#f2c94c"), (0, "#f2994a"), (1, "#eb5757")),
    ("the gauge's own warning stage (devices.csv, warning_level_m); within 0.5 m of it is the house's notice", "测站警戒水位（devices.csv 的 warning_level_m）；距警戒 0.5 m 为本系统提示"),
)  # fmt: skip
RAIN = Limits(
    ((50, "#2f80ed"), (100, "#f2994a"), (250, "#eb5757")),
    ("GB/T 28592-2012: rainstorm 50, heavy rainstorm 100, torrential rainstorm 250 mm in 24 h", "GB/T 28592-2012：暴雨 50、大暴雨 100、特大暴雨 250 mm/24 h"),
)  # fmt: skip


def surface_water(name: str, chinese: str, *upper: float) -> Limits:
    """Upper ends of classes I to IV: colours begin behind them."""
    colours = ("#56ccf2", "#6fcf97", "#f2c94c", "#f2994a", "#eb5757")
    return Limits(
        tuple(zip(upper, colours, strict=False)),
        (
            f"GB 3838-2002, Table 1, {name}, upper ends of classes I, II, III, IV, V",
            f"GB 3838-2002 表 1，{chinese} I–V 类上限",
        ),
        "#2f80ed",
    )


QUALITY = {
    "ammonia_nitrogen": (("Ammonia nitrogen", "氨氮"), surface_water("NH3-N", "氨氮", 0.15, 0.5, 1.0, 1.5, 2.0)),
    "total_phosphorus": (("Total phosphorus", "总磷"), surface_water("TP (rivers)", "总磷（河流）", 0.02, 0.1, 0.2, 0.3, 0.4)),
    "codmn": (("Permanganate index", "高锰酸盐指数"), surface_water("CODMn", "高锰酸盐指数", 2, 4, 6, 10, 15)),
    "dissolved_oxygen": (
        ("Dissolved oxygen", "溶解氧"),
        Limits(
            ((2, "#f2994a"), (3, "#f2c94c"), (5, "#6fcf97"), (6, "#56ccf2"), (7.5, "#2f80ed")),
            ("GB 3838-2002, Table 1, DO, lower ends of classes V to I", "GB 3838-2002 表 1，溶解氧 V–I 类下限"),
            "#eb5757",
        ),
    ),
}  # fmt: skip
SURFACE = '"kind" !~ /^(sewage-plant|outfall|water-plant|water-network)$/'
STATION = Link(("This device", "该设备"), "devices")


def air(language: Language) -> Board:
    board = Board(
        "air", ("Air", "空气质量"), ("Air quality at every station against the standard in force, and the wind that carries it.", "各站空气质量（现行标准）与风场。"),
        "environment", language,
    )  # fmt: skip
    board.area()
    board.resolution("")
    air_now = f'"air" WHERE {WHEN} AND {AREA} AND "kind" = \'air-station\''
    board.data_age("air", "pm25", AREA)
    board.stat(
        ("Highest AQI now", "当前最高 AQI"), ("The highest real-time index of all stations.", "各站实时 AQI 最大值。"),
        rows(f'SELECT max("v") AS "aqi" FROM (SELECT last("aqi") AS "v" FROM {air_now} GROUP BY "device")'), unit="none", field="aqi", limits=AQI,
    )  # fmt: skip
    board.stat(
        ("Mean PM2.5", "PM2.5 均值"), ("Mean of all stations over the chosen time.", "所选时段各站均值。"),
        rows(f'SELECT mean("pm25") AS "pm25" FROM {air_now}'), unit="conμgm3", field="pm25", limits=PM25, decimals=1,
    )  # fmt: skip
    board.bars(
        ("AQI by station", "各站 AQI"), ("The newest real-time index of each station.", "各站最新实时 AQI。"),
        lines(f'SELECT last("aqi") FROM {air_now} GROUP BY "device"'), unit="none", w=12, h=8, limits=AQI, link=STATION,
    )  # fmt: skip
    board.series(
        ("AQI", "AQI 变化"), ("Real-time index by station.", "各站实时 AQI。"),
        lines(f'SELECT mean("aqi") FROM "air{ROLLUP}" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'), unit="none", limits=AQI, link=STATION,
    )  # fmt: skip
    pollutants: tuple[tuple[str, Said, Limits], ...] = (
        ("pm25", ("PM2.5", "PM2.5"), PM25), ("o3", ("Ozone", "臭氧"), O3), ("no2", ("Nitrogen dioxide", "二氧化氮"), NO2),
    )  # fmt: skip
    for metric, title, limits in pollutants:
        board.series(
            title, ("Mean by station.", "各站均值。"),
            lines(f'SELECT mean("{metric}") FROM "air{ROLLUP}" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'),
            unit="conμgm3", limits=limits, link=STATION,
        )  # fmt: skip
    for metric, title, limit, source in (
        ("pm25", ("Hours above 60 µg/m³ PM2.5", "PM2.5 超 60 µg/m³ 小时数"), 60, PM25.source),
        ("o3", ("Hours above 200 µg/m³ ozone", "臭氧超 200 µg/m³ 小时数"), 200, O3.source),
    ):
        board.bars(
            title, (f"Hours whose mean was above {limit}. Source: {source[0]}.", f"小时均值超过 {limit} 的小时数。依据：{source[1]}。"),
            lines(f'SELECT count("v") FROM (SELECT mean("{metric}") AS "v" FROM {air_now} GROUP BY time(1h), "device") WHERE "v" > {limit} AND {WHEN} GROUP BY "device"'),
            unit="h", w=6, link=STATION,
        )  # fmt: skip
    board.series(
        ("Wind speed", "风速"), ("Mean wind, by station.", "各站平均风速。"),
        lines(f'SELECT mean("wind_speed") FROM "weather{ROLLUP}" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'), unit="velocityms", w=6,
    )  # fmt: skip
    board.series(
        ("Wind from", "风向"), ("Direction the wind comes from; newest of each interval, because a mean across north would lie.", "风的来向；取区间最新值，跨北求均值会失真。"),
        lines(f'SELECT last("wind_direction") FROM "weather" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'), unit="degree", w=6, steps=True,
    )  # fmt: skip
    board.table(
        ("Stations", "站点"), ("The newest value of each pollutant at each station.", "各站各污染物最新值。"),
        rows(
            'SELECT last("aqi") AS "aqi", last("pm25") AS "pm25", last("pm10") AS "pm10", last("o3") AS "o3", last("no2") AS "no2", last("so2") AS "so2", last("co") AS "co" '
            f'FROM {air_now} GROUP BY "device", "area"'
        ),
        w=24, unit="none", sort="aqi", decimals=1,
        columns=[
            Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Station", "站点"), link=DEVICE), Column("area", ("Area", "区域")), Column("aqi", ("AQI", "AQI")),
            *(Column(metric, (title, title), "conμgm3") for metric, title in (("pm25", "PM2.5"), ("pm10", "PM10"), ("o3", "O3"), ("no2", "NO2"), ("so2", "SO2"))),
            Column("co", ("CO", "CO"), "conmgm3"),
        ],
    )  # fmt: skip
    return board


def water(language: Language) -> Board:
    board = Board(
        "water", ("Rivers, rain and water quality", "水情雨情与水质"), ("Levels against the warning stages, rain sums, and the class of surface water.", "水位与警戒、雨量累计、地表水类别。"),
        "environment", language, since="now-48h",
    )  # fmt: skip
    board.area()
    board.resolution("")
    gauge = '"kind" =~ /^(river-gauge|tide-gauge)$/'
    board.data_age("water", "water_level", AREA)
    board.stat(
        ("Nearest to its warning stage", "距警戒最近"), ("The highest level above (or least below) a gauge's warning stage.", "各站水位与警戒水位之差的最大值。"),
        rows(f'SELECT max("v") AS "over" FROM (SELECT last("over_warning_stage") AS "v" FROM "water" WHERE {WHEN} AND {AREA} GROUP BY "device")'),
        unit="lengthm", field="over", limits=OVER_STAGE, decimals=2,
    )  # fmt: skip
    board.stat(
        ("Most rain", "最大雨量"), ("The largest sum of rain at a gauge over the chosen time.", "所选时段单站最大累计雨量。"),
        rows(f'SELECT max("v") AS "rain" FROM (SELECT sum("rainfall") AS "v" FROM "weather" WHERE {WHEN} AND {AREA} GROUP BY "device")'),
        unit="lengthmm", field="rain", limits=RAIN, decimals=1,
    )  # fmt: skip
    board.bars(
        ("Level above warning stage", "超警戒水位"), ("Newest level minus the gauge's warning stage.", "最新水位减警戒水位。"),
        lines(f'SELECT last("over_warning_stage") FROM "water" WHERE {WHEN} AND {AREA} GROUP BY "device"'), unit="lengthm", w=12, h=8, limits=OVER_STAGE, link=STATION, decimals=2,
    )  # fmt: skip
    board.series(
        ("Water level", "水位"), ("Rivers and tide gauges, above their own datum.", "江河与潮位（各自基面）。"),
        lines(f'SELECT mean("water_level") FROM "water{ROLLUP}" WHERE {WHEN} AND {AREA} AND {gauge} GROUP BY time($__interval), "device" fill(null)'), unit="lengthm", link=STATION,
    )  # fmt: skip
    board.series(
        ("Level above warning stage", "超警戒变化"), ("How each gauge stands to its own warning stage.", "各站相对警戒水位。"),
        lines(f'SELECT last("over_warning_stage") FROM "water" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'), unit="lengthm", limits=OVER_STAGE, link=STATION,
    )  # fmt: skip
    board.series(
        ("River flow", "流量"), ("Mean discharge.", "平均流量。"),
        lines(f'SELECT mean("water_flow") FROM "water{ROLLUP}" WHERE {WHEN} AND {AREA} GROUP BY time($__interval), "device" fill(null)'), unit="flowcms", w=8,
    )  # fmt: skip
    board.series(
        ("Water in underpasses", "下穿通道积水"), ("Depth of water on the road.", "道路积水深度。"),
        lines(f'SELECT max("water_depth") FROM "water" WHERE {WHEN} AND {AREA} AND "kind" = \'underpass-gauge\' GROUP BY time($__interval), "device" fill(null)'),
        unit="lengthm", w=8, limits=Limits(((0.15, "#f2c94c"), (0.27, "#f2994a"), (0.4, "#eb5757")), ("house default: 15 cm warn, 27 cm kerb height of a car's exhaust, 40 cm close", "本系统默认：15 cm 预警、27 cm 排气管高度、40 cm 封闭")),
    )  # fmt: skip
    board.series(
        ("Rain each hour", "小时雨量"), ("Sum of each hour.", "逐小时累计。"),
        lines(f'SELECT sum("rainfall") FROM "weather" WHERE {WHEN} AND {AREA} GROUP BY time(1h), "device" fill(null)'), unit="lengthmm", w=8, bars=True, interval="1h",
    )  # fmt: skip
    board.bars(
        ("Rain over the chosen time", "时段雨量"), ("Sum by gauge; the thresholds are for 24 h.", "各站累计；阈值为 24 小时标准。"),
        lines(f'SELECT sum("rainfall") FROM "weather" WHERE {WHEN} AND {AREA} GROUP BY "device"'), unit="lengthmm", w=8, limits=RAIN, link=STATION, decimals=1,
    )  # fmt: skip
    for metric, (title, limits) in QUALITY.items():
        board.bars(
            title, ("Newest value of each surface-water station; the colour is its class.", "各地表水站最新值；颜色为水质类别。"),
            lines(f'SELECT last("{metric}") FROM "water" WHERE {WHEN} AND {AREA} AND {SURFACE} GROUP BY "device"'), unit="mg/L", w=4, limits=limits, link=STATION, decimals=2,
        )  # fmt: skip
    board.table(
        ("Gauges", "测站"), ("Newest level, and where it stands.", "最新水位及相对警戒。"),
        rows(f'SELECT last("water_level") AS "level", last("over_warning_stage") AS "over" FROM "water" WHERE {WHEN} AND {AREA} AND "kind" = \'river-gauge\' GROUP BY "device", "area"'),
        w=24, unit="lengthm", sort="over", decimals=2, limits=None,
        columns=[
            Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Gauge", "测站"), link=DEVICE), Column("area", ("Area", "区域")),
            Column("level", ("Level", "水位"), "lengthm"), Column("over", ("Above warning stage", "超警戒"), "lengthm"),
        ],
    )  # fmt: skip
    return board


def public(language: Language) -> Board:
    """For everybody: no variables, so that a public dashboard runs only what is written here; no personal data."""
    board = Board(
        "public", ("Air and water today", "今日空气与水情"), ("Air quality and river levels, open to everybody.", "面向公众的空气质量与水位信息。"),
        "public", language, refresh="5m", public=True,
    )  # fmt: skip
    stations = f'"air" WHERE {WHEN} AND "kind" = \'air-station\''
    board.data_age("air", "pm25")
    board.stat(
        ("Air quality index", "空气质量指数"), ("The highest index of the city's stations now.", "全市各站当前最高指数。"),
        rows(f'SELECT max("v") AS "aqi" FROM (SELECT last("aqi") AS "v" FROM {stations} GROUP BY "device")'), unit="none", field="aqi", limits=AQI, w=6,
    )  # fmt: skip
    board.stat(
        ("Rivers and their warning stages", "河道与警戒水位"), ("The gauge nearest to (or highest above) its warning stage.", "距警戒水位最近的测站。"),
        rows(f'SELECT max("v") AS "over" FROM (SELECT last("over_warning_stage") AS "v" FROM "water" WHERE {WHEN} GROUP BY "device")'), unit="lengthm", field="over", limits=OVER_STAGE, w=6, decimals=2,
    )  # fmt: skip
    board.bars(("Stations", "站点"), ("The newest index of each station.", "各站最新指数。"), lines(f'SELECT last("aqi") FROM {stations} GROUP BY "device"'), unit="none", w=8, h=8, limits=AQI)  # fmt: skip
    board.series(("PM2.5", "PM2.5"), ("Hourly mean of each station.", "各站小时均值。"), lines(f'SELECT mean("pm25") FROM {stations} GROUP BY time(1h), "device" fill(null)'), unit="conμgm3", limits=PM25, interval="1h")  # fmt: skip
    board.series(
        ("Water level above warning stage", "超警戒水位"), ("Each gauge against its own warning stage; below 0 is below it.", "各站相对警戒水位，负值为低于警戒。"),
        lines(f'SELECT last("over_warning_stage") FROM "water" WHERE {WHEN} GROUP BY time($__interval), "device" fill(null)'), unit="lengthm", limits=OVER_STAGE, interval="10m",
    )  # fmt: skip
    board.text(
        ("About these figures", "关于数据"), ("What the figures are.", "数据说明。"),
        ("Measured by the city's stations, shown as they arrive and not yet verified. The index is the real-time index of HJ 633-2026.",
         "数据来自城市监测站，实时展示，未经审核。指数为 HJ 633-2026 实时空气质量指数。"),
    )  # fmt: skip
    return board


__all__ = ["AQI", "PM25", "ROW_LINK", "Query", "air", "public", "water"]
