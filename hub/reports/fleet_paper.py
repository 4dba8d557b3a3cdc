"""The report on what vehicles did in a day. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum
from typing import Any

from hub.reports.fleet import COLUMNS
from hub.reports.paper import Cell, Document, Table

HEADINGS = {
    "device": ("device", "设备"), "name": ("name", "名称"), "trips": ("trips", "行程数"), "distance_km": ("distance, km", "里程 km"),
    "moving_h": ("moving, h", "行驶 h"), "idling_h": ("idling, h", "怠速 h"), "standing_h": ("standing, h", "停车 h"),
    "fastest_kmh": ("fastest, km/h", "最高车速 km/h"), "first_start": ("first start", "首次出发"), "last_end": ("last end", "最后到达"), "fuel_l": ("fuel, L", "油耗 L"),
}  # fmt: skip
"""Column → its heading in English and Chinese."""
SUMMED = ("trips", "distance_km", "moving_h", "idling_h", "standing_h", "fuel_l")


def document(answer: Mapping[str, Any], city: str, made: str, chinese: bool) -> Document:
    """The report on `answer`, what `hub.reports.fleet.Fleet.day` gives, its times as they are to be read. `made`: when, in the city's zone."""
    lines, day = answer["vehicles"], answer["day"]
    rows = [row(line) for line in lines]
    if lines:
        rows.append(_sums(lines, chinese))
    title = f"车队日报 {day}" if chinese else f"Fleet: daily report {day}"
    told = (
        f"城市：{city}；车辆：{len(lines)}；生成时间：{made}"
        if chinese
        else f"City: {city}. Vehicles: {len(lines)}. Made at {made}."
    )
    notes = (
        ["里程优先取里程表，否则由定位点累计。怠速：发动机运转而未行驶。油耗仅统计上报油量的车辆。"]
        if chinese
        else [
            "Distance is by the odometer where it is told, else from place to place. Idling: the engine runs and the vehicle stands. Fuel is of vehicles that tell it."
        ]
    )
    empty = "无车辆。" if chinese else "There are no vehicles."
    table = Table("车辆" if chinese else "Vehicles", headings(chinese), rows, notes, empty)
    return Document(title, [told], [table], chinese)


def headings(chinese: bool) -> list[str]:
    return [HEADINGS[column][chinese] for column in COLUMNS]


def row(line: Mapping[str, Any]) -> list[Cell]:
    return [line[column] for column in COLUMNS]


def with_times(lines: Sequence[Mapping[str, Any]], told: Callable[[str | None], str]) -> list[dict[str, Any]]:
    """The lines with the times of first start and last end as people read them."""
    return [{**line, "first_start": told(line["first_start"]), "last_end": told(line["last_end"])} for line in lines]


def _sums(lines: Sequence[Mapping[str, Any]], chinese: bool) -> list[Cell]:
    """The last line: sums, and the fastest of all."""
    told: dict[str, Cell] = dict.fromkeys(COLUMNS)
    for column in SUMMED:
        known = [line[column] for line in lines if line[column] is not None]
        told[column] = round(fsum(known), 2) if known else None
    told["trips"] = sum(line["trips"] for line in lines)
    told["device"] = "合计" if chinese else "all"
    told["fastest_kmh"] = max(line["fastest_kmh"] for line in lines)
    return [told[column] for column in COLUMNS]
