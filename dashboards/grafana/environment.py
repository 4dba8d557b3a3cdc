"""Air, rain, rivers and water quality, each against the limits in force."""

from __future__ import annotations

from dashboards.grafana.board import GAP_S, Board
from dashboards.grafana.city import silent_devices
from dashboards.grafana.influxql import FAST_MS, HERE, HOURLY_MS, WHEN, lines, newest, over_time, rolled, rows
from dashboards.grafana.look import AREA, NONE, ORANGE, Column, Language, Limits, Said, device

METRES, MILLIMETRES = "suffix:m", "suffix:mm"
"""Said as they are: Grafana's own unit of length turns -0.075 m into -75 mm."""

AQI = Limits(
    ((51, "#ffff00"), (101, "#ff7e00"), (151, "#ff0000"), (201, "#99004c"), (301, "#7e0023")),
    ("HJ 633-2026, in force since 2026-03-01: 50, 100, 150, 200, 300", "HJ 633-2026（2026-03-01 起施行）：50、100、150、200、300"),
    "#00e400",
)  # fmt: skip
CLASSES: tuple[tuple[Said, str], ...] = (
    (("excellent", "优"), "#00e400"), (("good", "良"), "#ffff00"), (("light", "轻度污染"), "#ff7e00"), (("moderate", "中度污染"), "#ff0000"),
    (("heavy", "重度污染"), "#99004c"), (("severe", "严重污染"), "#7e0023"),
)  # fmt: skip
"""The six classes of HJ 633 and the colours it gives them."""


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
DEPTH = Limits(
    ((0.15, "#f2c94c"), (0.27, "#f2994a"), (0.4, "#eb5757")),
    ("house default: 15 cm warn, 27 cm kerb height of a car's exhaust, 40 cm close", "本系统默认：15 cm 预警、27 cm 排气管高度、40 cm 封闭"),
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
PM25_FIELD = '"pm25"'
RAIN_SUM = '"rainfall" * "rainfall_count" AS "s"'
"""A rollup's mean times its count is its sum again."""
SURFACE = '"kind" !~ /^(sewage-plant|outfall|water-plant|water-network)$/'


def spread(
    board: Board, title: Said, about: Said, metric: str, family: str, where: str, unit: str, *, w: int = 8, h: int = 8,
    limits: Limits | None = None, decimals: int | None = None, hourly: bool = False,
) -> None:  # fmt: skip
    """A metric of many devices as three lines: however many there are, the worst is seen. The table beside leads to each one.

    No interval is shorter than the devices' own (`hourly`, else ten minutes), or each would hold another few of them.
    """
    more = (
        f"{about[0]} Highest, mean and lowest of all; the tables lead to each device.",
        f"{about[1]}最高、均值与最低；各设备见表格。",
    )
    board.series(
        title, more,
        lines(over_time(
            f'max("{metric}_max") AS "highest", mean("{metric}") AS "mean", min("{metric}_min") AS "lowest"',
            f'"{metric}", "{metric}_max", "{metric}_min"', family, where,
            minutes_to=HOURLY_MS if hourly else FAST_MS,
        )),
        unit=unit, w=w, h=h, limits=limits, decimals=decimals, interval="1h" if hourly else "10m", gap_s=3 * 3600 if hourly else GAP_S,
        names=[
            Column("highest", ("highest", "最高"), colour="#b877d9"), Column("mean", ("mean", "均值"), colour="#5794f2"),
            Column("lowest", ("lowest", "最低"), colour="#73bfb8"),
        ],
    )  # fmt: skip


def extreme(
    board: Board, title: Said, about: Said, metric: str, family: str, where: str, unit: str, *, lowest: bool = False, w: int = 8,
    h: int = 8, limits: Limits | None = None, decimals: int | None = None, interval: str = "10m",
) -> None:  # fmt: skip
    """The one line that matters where only the highest (or lowest) of all devices is dangerous."""
    which, said = ("min", ("lowest", "最低")) if lowest else ("max", ("highest", "最高"))
    board.series(
        title, about, lines(over_time(f'{which}("{metric}_{which}") AS "{said[0]}"', f'"{metric}_{which}"', family, where)),
        unit=unit, w=w, h=h, limits=limits, decimals=decimals, interval=interval, names=[Column(said[0], said, colour="#b877d9")],
    )  # fmt: skip


def latest(*metrics: str) -> str:
    return ", ".join(f'last("{metric}_last") AS "{metric}"' for metric in metrics)


def air(language: Language) -> Board:
    board = Board(
        "air", ("Air", "空气质量"), ("Is the air within the standard in force, where is it not, and since when?", "空气是否达标？何处、何时超标？"),
        "environment", language,
    )  # fmt: skip
    board.area()
    stations = f"{HERE} AND \"kind\" = 'air-station'"
    board.data_age("air", "pm25", HERE)
    board.stat(
        ("Highest AQI now", "当前最高 AQI"), ("The highest real-time index of all stations, of the last 3 hours.", "近 3 小时各站实时 AQI 最大值。"),
        rows(f'SELECT max("v") AS "aqi" FROM (SELECT last("aqi_last") AS "v" FROM "air_1m" WHERE {WHEN} AND {stations} GROUP BY "device")'),
        unit="none", field="aqi", limits=AQI, w=5, recent="3h", decimals=0,
    )  # fmt: skip
    board.stat(
        ("Over AQI 100", "超 100 站点"), ("Stations whose newest real-time index is above 100.", "最新实时 AQI 超过 100 的站点数。"),
        rows(f'SELECT count("v") AS "over" FROM (SELECT last("aqi_last") AS "v" FROM "air_1m" WHERE {WHEN} AND {stations} GROUP BY "device") WHERE "v" > 100'),
        unit="none", field="over", limits=Limits(((1, ORANGE),), AQI.source), w=4, recent="3h", decimals=0, empty=NONE,
    )  # fmt: skip
    board.stat(
        ("Mean PM2.5", "PM2.5 均值"), ("Mean of all stations over the chosen time.", "所选时段各站均值。"),
        rows(f'SELECT mean("pm25") AS "pm25" FROM {rolled(PM25_FIELD, "air", stations)}'), unit="conμgm3", field="pm25", limits=PM25, decimals=1, w=5,
    )  # fmt: skip
    silent_devices(board, stations, 5)
    board.table(
        ("Stations", "站点"), ("The newest value of each pollutant at each station, of the last 6 hours; marked values are left out.", "各站各污染物近 6 小时最新值；不含标记数据。"),
        rows(newest(latest("aqi", "pm25", "pm10", "o3", "no2", "so2", "co"), "air", stations, '"device", "area"')),
        w=14, h=10, sort="aqi", recent="6h",
        columns=[
            device(("Station", "站点"), "aqi"), AREA, Column("aqi", ("AQI", "AQI"), limits=AQI, cell="background", width=60, decimals=0),
            *(
                Column(metric, (title, title), "conμgm3", limits=limits, cell="text" if limits else "", decimals=0)
                for metric, title, limits in (("pm25", "PM2.5", PM25), ("pm10", "PM10", None), ("o3", "O3", O3), ("no2", "NO2", NO2), ("so2", "SO2", None))
            ),
            Column("co", ("CO", "CO"), "conmgm3", decimals=2),
        ],
    )  # fmt: skip
    spread(
        board,
        ("AQI", "AQI 变化"),
        ("Real-time index.", "实时 AQI。"),
        "aqi",
        "air",
        stations,
        "none",
        w=10,
        h=10,
        limits=AQI,
        decimals=0,
        hourly=True,
    )
    for metric, title, limits in (
        ("pm25", ("PM2.5", "PM2.5"), PM25), ("o3", ("Ozone", "臭氧"), O3), ("no2", ("Nitrogen dioxide", "二氧化氮"), NO2),
    ):  # fmt: skip
        spread(
            board,
            title,
            ("Stations of the chosen areas.", "所选区域站点。"),
            metric,
            "air",
            stations,
            "conμgm3",
            limits=limits,
            decimals=0,
            hourly=True,
        )
    board.row(("Against the limits", "达标情况"))
    for metric, title, limit, source in (
        ("pm25", ("Hours above 60 µg/m³ PM2.5", "PM2.5 超 60 µg/m³ 小时数"), 60, PM25.source),
        ("o3", ("Hours above 200 µg/m³ ozone", "臭氧超 200 µg/m³ 小时数"), 200, O3.source),
    ):
        board.table(
            title, (f"Hours of the chosen time whose mean was above {limit}. Source: {source[0]}.", f"所选时段小时均值超过 {limit} 的小时数。依据：{source[1]}。"),
            rows(f'SELECT count("{metric}") AS "hours" FROM "air_1h" WHERE {WHEN} AND {stations} AND "{metric}" > {limit} GROUP BY "device"'),
            unit="h", w=6, sort="hours", decimals=0, empty=NONE,
            columns=[device(("Station", "站点"), metric), Column("hours", ("Hours", "小时数"), "h", cell="gauge", limits=Limits(((1, ORANGE),), source, "text"))],
        )  # fmt: skip
    knots = (0, 30, 60, 115, 150, 250, 100_000)
    board.series(
        ("Station-days by class of PM2.5", "PM2.5 各级别站·日数"),
        ("Of the last 30 days: how many stations had a daily mean (UTC) of each class.", "近 30 天：日均值（UTC）落在各级别的站点数。"),
        *(
            lines(f'SELECT count("pm25") FROM "air_1d" WHERE {WHEN} AND {stations} AND "pm25" > {low} AND "pm25" <= {high} GROUP BY time(1d) fill(0)', name[0])
            for (name, _), low, high in zip(CLASSES, knots, knots[1:], strict=False)
        ),
        unit="short", w=12, bars=True, stacked=True, interval="1d", recent="30d", decimals=0, low=0,
        names=[Column(name[0], name, colour=colour) for name, colour in CLASSES],
    )  # fmt: skip
    board.row(("Wind", "风"))
    wind = f'{HERE} AND "kind" =~ /^(weather-station|air-station)$/'
    spread(
        board,
        ("Wind speed", "风速"),
        ("Mean wind of each interval.", "区间平均风速。"),
        "wind_speed",
        "weather",
        wind,
        "velocityms",
        w=12,
        decimals=1,
        hourly=True,
    )
    board.table(
        ("Wind now", "当前风况"), ("Newest speed and the direction the wind comes from, of the last 3 hours.", "近 3 小时最新风速与来向。"),
        rows(newest(latest("wind_speed", "wind_direction"), "weather", wind, '"device", "area"')), w=12, sort="wind_speed", recent="3h",
        columns=[
            device(("Station", "站点"), "wind_speed"), AREA, Column("wind_speed", ("Speed", "风速"), "velocityms", decimals=1),
            Column("wind_direction", ("From", "来向"), "degree", decimals=0),
        ],
    )  # fmt: skip
    return board


def water(language: Language) -> Board:
    board = Board(
        "water", ("Rivers, rain and water quality", "水情雨情与水质"), ("Does a river near its warning stage, does a road flood, how clean is the water?", "河道是否近警戒？道路是否积水？水质如何？"),
        "environment", language, since="now-48h",
    )  # fmt: skip
    board.area()
    gauge = f'{HERE} AND "kind" =~ /^(river-gauge|tide-gauge)$/'
    underpass = f"{HERE} AND \"kind\" = 'underpass-gauge'"
    board.data_age("water", "water_level", HERE)
    board.stat(
        ("Nearest to warning", "距警戒最近"), ("The highest level above (or least below) a gauge's warning stage.", "各站水位与警戒水位之差的最大值。"),
        rows(f'SELECT max("v") AS "over" FROM (SELECT last("over_warning_stage_last") AS "v" FROM "water_1m" WHERE {WHEN} AND {HERE} GROUP BY "device")'),
        unit=METRES, field="over", limits=OVER_STAGE, decimals=2, w=5, recent="3h",
    )  # fmt: skip
    board.stat(
        ("Deepest underpass", "最深下穿通道"), ("The deepest water on a road now.", "当前道路最大积水深度。"),
        rows(f'SELECT max("v") AS "depth" FROM (SELECT last("water_depth_last") AS "v" FROM "water_1m" WHERE {WHEN} AND {underpass} GROUP BY "device")'),
        unit=METRES, field="depth", limits=DEPTH, decimals=2, w=5, recent="3h",
    )  # fmt: skip
    board.stat(
        ("Most rain in 24 h", "24 小时最大雨量"), ("The largest sum of rain at a gauge in the last 24 hours.", "近 24 小时单站最大累计雨量。"),
        rows(f'SELECT max("v") AS "rain" FROM (SELECT sum("s") AS "v" FROM (SELECT {RAIN_SUM} FROM "weather_1m" WHERE {WHEN} AND {HERE}) GROUP BY "device")'),
        unit=MILLIMETRES, field="rain", limits=RAIN, decimals=1, w=5, recent="1d",
    )  # fmt: skip
    silent_devices(
        board, f'{HERE} AND "kind" =~ /^(river-gauge|tide-gauge|underpass-gauge|rain-gauge|water-station)$/', 4
    )
    board.table(
        ("Gauges", "测站"), ("Newest level of each gauge, and where it stands to its own warning stage, of the last 3 hours.", "近 3 小时最新水位及相对警戒。"),
        rows(newest(latest("water_level", "over_warning_stage", "water_flow"), "water", gauge, '"device", "area"')), w=12, sort="over_warning_stage", recent="3h",
        columns=[
            device(("Gauge", "测站"), "water_level"), AREA, Column("water_level", ("Level", "水位"), METRES, decimals=2),
            Column("over_warning_stage", ("Above warning stage", "超警戒"), METRES, decimals=2, limits=OVER_STAGE, cell="background"), Column("water_flow", ("Flow", "流量"), "flowcms", decimals=1),
        ],
    )  # fmt: skip
    extreme(
        board,
        ("Level above warning stage", "超警戒变化"),
        ("The gauge that stands highest to its own warning stage.", "相对自身警戒水位最高的测站。"),
        "over_warning_stage",
        "water",
        HERE,
        METRES,
        w=12,
        limits=OVER_STAGE,
        decimals=2,
    )
    extreme(
        board,
        ("Water in underpasses", "下穿通道积水"),
        ("The deepest water on a road.", "道路最大积水深度。"),
        "water_depth",
        "water",
        underpass,
        METRES,
        limits=DEPTH,
        decimals=2,
    )
    board.series(
        ("Rain each hour", "小时雨量"), ("Sum of each hour of the last 2 days: the wettest gauge, and the mean of all.", "近 2 天逐小时累计：最大站与各站平均。"),
        lines(f'SELECT max("v") AS "wettest", mean("v") AS "mean" FROM (SELECT sum("s") AS "v" FROM (SELECT {RAIN_SUM} FROM "weather_1h" WHERE {WHEN} AND {HERE}) GROUP BY time(1h), "device" fill(none)) GROUP BY time(1h) fill(none)'),
        unit=MILLIMETRES, w=8, bars=True, interval="1h", recent="2d", decimals=1, names=[Column("wettest", ("wettest gauge", "最大站"), colour="#5794f2"), Column("mean", ("mean", "平均"), colour="#73bfb8")],
    )  # fmt: skip
    board.table(
        ("Rain over the chosen time", "时段雨量"), ("Sum by gauge; the thresholds are for 24 h.", "各站累计；阈值为 24 小时标准。"),
        rows(f'SELECT sum("s") AS "rain" FROM {rolled(RAIN_SUM, "weather", HERE)} GROUP BY "device"'), w=8, sort="rain", decimals=1,
        columns=[device(("Gauge", "测站"), "rainfall"), Column("rain", ("Rain", "雨量"), MILLIMETRES, cell="gauge", limits=RAIN)],
    )  # fmt: skip
    board.table(
        ("Surface water", "地表水质"), ("Newest value of each station, of the last 12 hours; the colour is its class.", "近 12 小时各地表水站最新值；颜色为水质类别。"),
        rows(newest(latest(*QUALITY), "water", f"{HERE} AND {SURFACE}", '"device", "area"')), w=24, sort="ammonia_nitrogen", recent="12h", unit="mg/L",
        columns=[device(("Station", "站点"), "ammonia_nitrogen"), AREA, *(Column(metric, title, "mg/L", decimals=2, limits=limits, cell="background") for metric, (title, limits) in QUALITY.items())],
    )  # fmt: skip
    return board


def public(language: Language) -> Board:
    """For everybody: no variables, so that a public dashboard runs only what is written here; no personal data."""
    board = Board(
        "public", ("Air and water today", "今日空气与水情"), ("How are the air and the rivers, open to everybody.", "面向公众：空气与河道水情如何。"),
        "public", language, refresh="5m", public=True,
    )  # fmt: skip
    stations = "\"kind\" = 'air-station'"
    board.data_age("air", "pm25", w=8)
    board.stat(
        ("Air quality index", "空气质量指数"), ("The highest index of the city's stations, of the last 3 hours.", "近 3 小时全市各站最高指数。"),
        rows(f'SELECT max("v") AS "aqi" FROM (SELECT last("aqi_last") AS "v" FROM "air_1m" WHERE {WHEN} AND {stations} GROUP BY "device")'), unit="none", field="aqi", limits=AQI, w=8, recent="3h", decimals=0,
    )  # fmt: skip
    board.stat(
        ("Rivers and their warning stages", "河道与警戒水位"), ("The gauge nearest to (or highest above) its warning stage; below 0 is below it.", "距警戒水位最近的测站，负值为低于警戒。"),
        rows(f'SELECT max("v") AS "over" FROM (SELECT last("over_warning_stage_last") AS "v" FROM "water_1m" WHERE {WHEN} GROUP BY "device")'), unit=METRES, field="over", limits=OVER_STAGE, w=8, decimals=2, recent="3h",
    )  # fmt: skip
    board.table(
        ("Stations", "站点"), ("The newest index and fine dust of each station, of the last 6 hours.", "近 6 小时各站最新指数与 PM2.5。"),
        rows(f'SELECT {latest("aqi", "pm25")} FROM "air_1m" WHERE {WHEN} AND {stations} GROUP BY "device"'), w=8, sort="aqi", recent="6h",
        columns=[Column("device", ("Station", "站点")), Column("aqi", ("AQI", "AQI"), limits=AQI, cell="background", decimals=0), Column("pm25", ("PM2.5", "PM2.5"), "conμgm3", decimals=0)],
    )  # fmt: skip
    spread(
        board,
        ("PM2.5", "PM2.5"),
        ("Stations of the city.", "全市站点。"),
        "pm25",
        "air",
        stations,
        "conμgm3",
        limits=PM25,
        decimals=0,
        hourly=True,
    )
    extreme(
        board,
        ("Water level above warning stage", "超警戒水位"),
        (
            "The gauge that stands highest to its own warning stage; below 0 is below it.",
            "相对自身警戒水位最高的测站，负值为低于警戒。",
        ),
        "over_warning_stage",
        "water",
        "\"kind\" = 'river-gauge'",
        METRES,
        limits=OVER_STAGE,
        decimals=2,
    )
    board.text(
        ("About these figures", "关于数据"), ("What the figures are.", "数据说明。"),
        ("Measured by the city's stations, shown as they arrive and not yet verified. The index is the real-time index of HJ 633-2026.",
         "数据来自城市监测站，实时展示，未经审核。指数为 HJ 633-2026 实时空气质量指数。"),
    )  # fmt: skip
    return board
