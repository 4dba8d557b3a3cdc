"""SunSpec: a device's models found by their chain, and what the common ones measure, as fields of a register map.

SunSpec Device Information Model Specification 1.1: "SunS" at 40000, 50000 or 0, then model id, length and data, until the id FFFF.
Models read: 101-103 and 111-113 (inverters), 201-204 and 211-214 (meters), each in integers with scale factors or in floats.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from adapters.modbus.registers import Field

Read = Callable[[int, int], Awaitable[list[int]]]
"""Holding registers: address and count to words."""

BASES = (40_000, 50_000, 0)
MARK = [0x5375, 0x6E53]  # "SunS"
END = 0xFFFF
MODELS_MAX = 64

_NOT_IMPLEMENTED = {"uint16": (0xFFFF,), "int16": (-0x8000,), "uint32": (0, 0xFFFFFFFF), "float32": ()}
"""A counter (acc32) of 0 means "not accumulated"; floats say NaN."""


class Model(msgspec.Struct, frozen=True):
    """One model of the chain; `address` is that of its id."""

    id: int
    length: int
    address: int


async def discover(read: Read, refused: type[Exception] | tuple[type[Exception], ...]) -> list[Model]:
    """The models of a device; none where no "SunS" stands. `refused` is what `read` raises for addresses that are not there."""
    for base in BASES:
        try:
            if await read(base, 2) != MARK:
                continue
        except refused:
            continue
        return await _chain(read, refused, base + 2)
    return []


async def _chain(read: Read, refused: type[Exception] | tuple[type[Exception], ...], at: int) -> list[Model]:
    models: list[Model] = []
    while len(models) < MODELS_MAX and at < 65_534:
        try:
            name, length = await read(at, 2)
        except refused:
            break
        if name == END:
            break
        models.append(Model(name, length, at))
        at += 2 + length
    return models


# metric, unit, type, offset from the model's id, offset of the scale factor
_Point = tuple[str, str, str, int, int | None]

_INVERTER: tuple[_Point, ...] = (
    ("current", "A", "uint16", 2, 6),
    ("current_a", "A", "uint16", 3, 6),
    ("current_b", "A", "uint16", 4, 6),
    ("current_c", "A", "uint16", 5, 6),
    ("voltage_a", "V", "uint16", 10, 13),
    ("voltage_b", "V", "uint16", 11, 13),
    ("voltage_c", "V", "uint16", 12, 13),
    ("active_power", "W", "int16", 14, 15),
    ("frequency", "Hz", "uint16", 16, 17),
    ("apparent_power", "VA", "int16", 18, 19),
    ("reactive_power", "var", "int16", 20, 21),
    ("power_factor", "%", "int16", 22, 23),
    ("energy", "Wh", "uint32", 24, 26),
    ("temperature", "Cel", "int16", 33, 37),
)
_METER: tuple[_Point, ...] = (
    ("current", "A", "int16", 2, 6),
    ("current_a", "A", "int16", 3, 6),
    ("current_b", "A", "int16", 4, 6),
    ("current_c", "A", "int16", 5, 6),
    ("voltage", "V", "int16", 7, 15),
    ("voltage_a", "V", "int16", 8, 15),
    ("voltage_b", "V", "int16", 9, 15),
    ("voltage_c", "V", "int16", 10, 15),
    ("frequency", "Hz", "int16", 16, 17),
    ("active_power", "W", "int16", 18, 22),
    ("apparent_power", "VA", "int16", 23, 27),
    ("reactive_power", "var", "int16", 28, 32),
    ("power_factor", "%", "int16", 33, 37),
    ("energy", "Wh", "uint32", 46, 54),
)


def _floats(*points: tuple[str, str, int]) -> tuple[_Point, ...]:
    return tuple((metric, unit, "float32", offset, None) for metric, unit, offset in points)


_INVERTER_FLOAT = _floats(
    ("current", "A", 2),
    ("current_a", "A", 4),
    ("current_b", "A", 6),
    ("current_c", "A", 8),
    ("voltage_a", "V", 16),
    ("voltage_b", "V", 18),
    ("voltage_c", "V", 20),
    ("active_power", "W", 22),
    ("frequency", "Hz", 24),
    ("apparent_power", "VA", 26),
    ("reactive_power", "var", 28),
    ("power_factor", "%", 30),
    ("energy", "Wh", 32),
    ("temperature", "Cel", 40),
)
_METER_FLOAT = _floats(
    ("current", "A", 2),
    ("current_a", "A", 4),
    ("current_b", "A", 6),
    ("current_c", "A", 8),
    ("voltage", "V", 10),
    ("voltage_a", "V", 12),
    ("voltage_b", "V", 14),
    ("voltage_c", "V", 16),
    ("frequency", "Hz", 26),
    ("active_power", "W", 28),
    ("apparent_power", "VA", 36),
    ("reactive_power", "var", 44),
    ("power_factor", "%", 52),
    ("energy", "Wh", 68),
)
_POINTS: dict[int, tuple[_Point, ...]] = (
    dict.fromkeys((101, 102, 103), _INVERTER)
    | dict.fromkeys((111, 112, 113), _INVERTER_FLOAT)
    | dict.fromkeys((201, 202, 203, 204), _METER)
    | dict.fromkeys((211, 212, 213, 214), _METER_FLOAT)
)


def fields(models: Iterable[Model], every_s: float) -> tuple[Field, ...]:
    """What the known models measure. Where two models measure the same metric, the first of the chain counts."""
    found: dict[str, Field] = {}
    for model in models:
        for metric, unit, kind, offset, scale in _POINTS.get(model.id, ()):
            width = 1 if kind.endswith("16") else 2
            if metric in found or max(offset + width, (scale or 0) + 1) > model.length + 2:
                continue
            found[metric] = Field(
                metric=metric,
                unit=unit,
                type=kind,
                order="ABCD",
                address=model.address + offset,
                scale_register=None if scale is None else model.address + scale,
                sentinel=_NOT_IMPLEMENTED[kind],
                every_s=every_s,
            )
    return tuple(found.values())
