"""The report on air stations that an officer hands in, of a day or a month: each day with its marks, and of a month what it comes to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import fsum
from typing import Any

import msgspec

from hub.metrics import vocabulary
from hub.reports.air import EIGHTS_MIN, HOURS_MIN
from hub.reports.paper import Cell, Document, Table
from rules.figures.aqi import CN_GRADES, CN_POLLUTANTS

RANKS = {"co": 0.95, "o3": 0.90}
"""Of these a rank of the days counts and not their mean. HJ 663 has these ranks for the year; the national monitoring centre's monthly reports use them for the month
(cnemc.cn, report on July 2020). The text of HJ 663-2026 was not to be had, so the report says what is assumed."""
DAYS_MIN, DAYS_MIN_FEBRUARY = 27, 25
"""Days with a value that a month needs, by the table of GB 3095-2012 on the validity of data as secondary sources have it."""
ATTAINED = 100
LIMIT_II = 100
"""The index at the limit of grade II."""

SYMBOLS = {"so2": "SO2", "no2": "NO2", "co": "CO", "o3": "O3", "pm10": "PM10", "pm25": "PM2.5"}
HEADINGS = {
    "device": ("device", "设备"), "name": ("name", "名称"), "day": ("day", "日期"), "so2": ("SO2, ug/m3", "二氧化硫 µg/m³"), "no2": ("NO2, ug/m3", "二氧化氮 µg/m³"), "co": ("CO, mg/m3", "一氧化碳 mg/m³"),
    "o3": ("O3 over 8 h, ug/m3", "臭氧8小时 µg/m³"), "pm10": ("PM10, ug/m3", "PM10 µg/m³"), "pm25": ("PM2.5, ug/m3", "PM2.5 µg/m³"), "aqi": ("AQI", "AQI"), "class": ("class", "级别"), "primary": ("primary pollutants", "首要污染物"),
    "capture_pct": ("data capture, %", "数据获取率 %"), "marks": ("marks", "质量标识"), "valid": ("days with an index", "有效天数"), "attained": ("days at 100 or below", "达标天数"), "attained_pct": ("share at 100 or below, %", "达标率 %"), "beyond": ("days above 100", "超标天数"),
}  # fmt: skip
"""Column → its heading in English and Chinese."""
COLUMNS = ("device", "name", "day", *CN_POLLUTANTS, "aqi", "class", "primary", "capture_pct", "marks")
OF_A_MONTH = ("device", "name", "valid", "attained", "attained_pct", "beyond", *CN_POLLUTANTS, "primary", "capture_pct", "marks")  # fmt: skip


class Month(msgspec.Struct, frozen=True):
    """What the days of one station come to. `values`: means of the days, of CO the 95th and of ozone the 90th percentile; None with too
    few days. `classes`: days by the class's place in `CN_GRADES`. `primary`: on how many days above 50 each pollutant stood first."""

    days: int
    valid: int
    attained: int
    values: Mapping[str, float | None]
    with_value: Mapping[str, int]
    classes: Sequence[int]
    primary: Mapping[str, int]
    capture_pct: float

    @property
    def beyond(self) -> int:
        return self.valid - self.attained

    @property
    def attained_pct(self) -> float | None:
        return round(100 * self.attained / self.valid, 1) if self.valid else None


def month_of(lines: Sequence[Mapping[str, Any]]) -> Month:
    """The days of one station and month, as `hub.reports.air` gives them (at least one)."""
    least = DAYS_MIN_FEBRUARY if lines[0]["day"][5:7] == "02" else DAYS_MIN
    indices = [line["aqi"] for line in lines if line["aqi"] is not None]
    known = {name: [line[name] for line in lines if line[name] is not None] for name in CN_POLLUTANTS}
    return Month(
        days=len(lines),
        valid=len(indices),
        attained=sum(index <= ATTAINED for index in indices),
        values={name: _value(name, values) if len(values) >= least else None for name, values in known.items()},
        with_value={name: len(values) for name, values in known.items()},
        classes=[sum(line["class"] == grade.english for line in lines) for grade in CN_GRADES],
        primary=Counter(name for line in lines for name in line["primary"]),
        capture_pct=round(fsum(line["capture_pct"] for line in lines) / len(lines), 1),
    )


def _value(pollutant: str, values: Sequence[float]) -> float:
    found = rank(values, RANKS[pollutant]) if pollutant in RANKS else fsum(values) / len(values)
    # By GB/T 8170: half to even, of the decimal number, without the last bits of the binary one.
    return float(round(Decimal(str(round(found, 9))), 1 if pollutant == "co" else 0))


def rank(values: Sequence[float], share: float) -> float:
    """The percentile of HJ 663: between the two values about the place 1 + (n - 1) · share."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def document(answer: Mapping[str, Any], city: str, made: str, chinese: bool) -> Document:
    """The report on `answer`, what `hub.reports.air.Air.days` gives. `made`: when, in the city's zone."""
    lines, span = answer["days"], answer["span"]
    is_month = len(span) == 7
    by_station: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_station.setdefault(line["device"], []).append(line)
    empty = "没有空气站。" if chinese else "There are no air stations."
    days = Table(
        "逐日数据" if chinese else "Days", headings(COLUMNS, chinese), [row(line, chinese) for line in lines], _day_notes(chinese), empty
    )  # fmt: skip
    tables = [days]
    if is_month:
        months = [_month_row(found, chinese) for found in by_station.values()]
        classes = [
            [found[0]["device"], found[0]["name"], *month.classes, month.days - month.valid]
            for found in by_station.values()
            for month in (month_of(found),)
        ]
        names = [grade.name if chinese else grade.english for grade in CN_GRADES]
        unknown = "数据不足" if chinese else "not enough data"
        tables = [
            Table("月统计" if chinese else "The month", headings(OF_A_MONTH, chinese), months, _month_notes(chinese), empty),
            Table("各级别天数" if chinese else "Days by class", [*headings(("device", "name"), chinese), *names, unknown], classes, (), empty),
            days,
        ]  # fmt: skip
    kind = ("月报" if is_month else "日报") if chinese else ("monthly report" if is_month else "daily report")
    title = f"环境空气质量{kind} {span}" if chinese else f"Ambient air quality: {kind} {span}"
    told = [
        f"城市：{city}；生成时间：{made}" if chinese else f"City: {city}. Made at {made}.",
        "依据 GB 3095-2026、HJ 633-2026、HJ 663；数据未经人工审核。" if chinese
        else "By GB 3095-2026, HJ 633-2026, HJ 663. The data have not been reviewed by a person.",
    ]  # fmt: skip
    return Document(title, told, tables, chinese)


def headings(columns: Sequence[str], chinese: bool) -> list[str]:
    return [HEADINGS[column][chinese] for column in columns]


def row(line: Mapping[str, Any], chinese: bool) -> list[Cell]:
    """A station and day in the order of `COLUMNS`, words in the language."""
    told = {**line, "class": line["class_zh" if chinese else "class"], "primary": _names(line["primary"], chinese)}
    told["marks"] = marks_of(line)
    return [told[column] for column in COLUMNS]


def marks_of(line: Mapping[str, Any]) -> str:
    """What must be known of the values of a day: `CO H 12h` (too few valid hours, so many), `PM2.5 >` (above the limit of grade II)."""
    found = []
    for name in CN_POLLUTANTS:
        title = SYMBOLS[name]
        if line[name] is None:
            found.append(f"{title} H {line['hours'].get(name, 0)}h")
        elif line["iaqi"].get(name, 0) > LIMIT_II:
            found.append(f"{title} >")
    return "; ".join(found)


def _month_row(lines: Sequence[Mapping[str, Any]], chinese: bool) -> list[Cell]:
    month = month_of(lines)
    primary = sorted(month.primary.items(), key=lambda item: -item[1])
    told: dict[str, Cell] = {
        "device": lines[0]["device"], "name": lines[0]["name"], "valid": month.valid, "attained": month.attained, "attained_pct": month.attained_pct, "beyond": month.beyond,
        **month.values, "capture_pct": month.capture_pct,
        "primary": ("、" if chinese else ", ").join(f"{_name(name, chinese)} {days}" for name, days in primary),
        "marks": "; ".join(f"{SYMBOLS[name]} H {month.with_value[name]}d" for name, value in month.values.items() if value is None),
    }  # fmt: skip
    return [told[column] for column in OF_A_MONTH]


def _name(pollutant: str, chinese: bool) -> str:
    known = vocabulary()[pollutant]
    return (known.title_zh if chinese else known.title) or pollutant


def _names(pollutants: Sequence[str], chinese: bool) -> str:
    return ("、" if chinese else ", ").join(_name(name, chinese) for name in pollutants)


def _day_notes(chinese: bool) -> list[str]:
    if chinese:
        return [
            f"质量标识：H 有效数据不足，不给出日值（日均值需 {HOURS_MIN} 个有效小时，臭氧需 {EIGHTS_MIN} 个8小时均值），其后为有效小时数；> 高于二级标准限值。",
            "数据获取率为六项污染物有效小时数占应测小时数的比例；缺测、设备标记异常或未通过质量检验的小时按缺测计。",
        ]
    return [
        f"Marks: H, too few valid hours for a value of the day (a mean needs {HOURS_MIN}, ozone {EIGHTS_MIN} means of 8 hours), and how many there were; "
        ">, above the limit of grade II.",
        "Data capture is the share of hours with valid values over the six pollutants. Hours that are missing, marked by the device or refused by a test of quality count as missing.",
    ]


def _month_notes(chinese: bool) -> list[str]:
    if chinese:
        return [
            f"月值为日值的算术平均；一氧化碳为日均值第95百分位数，臭氧为日最大8小时平均第90百分位数。H：有效天数不足（需 {DAYS_MIN} 天，二月 {DAYS_MIN_FEBRUARY} 天），其后为有效天数。",
            "首要污染物后为其出现的天数。达标率 = 达标天数 ÷ 有效天数。",
            "假定：月评价的百分位数沿用 HJ 663 年评价的规定（与中国环境监测总站月报一致），有效天数按 GB 3095-2012，臭氧日值的有效性按 HJ 663-2013；未能取得 HJ 663-2026 原文核对。",
        ]
    return [
        f"Values are means of the days; of CO the 95th percentile of daily means, of ozone the 90th of daily highest means of 8 h. H: too few days ({DAYS_MIN} "
        f"are needed, {DAYS_MIN_FEBRUARY} in February), and how many there were.",
        "Behind a primary pollutant: on how many days it was one. Shares are of the days with an index.",
        "Assumed: the month's percentiles are those of HJ 663 for the year (as in the monthly reports of the national monitoring centre), the days that are needed those of GB 3095-2012, what a day's "
        "ozone needs that of HJ 663-2013. The text of HJ 663-2026 was not at hand to confirm them.",
    ]
