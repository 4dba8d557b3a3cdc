"""A month of a small city, for dashboards to show: every kind of device, warnings through their life, the hub's reports.

As the field is: each kind reports in its own time (air by the hour, pumps by the minute), none of them punctually; one gauge was
cut off for hours, one pump fell silent, two devices were never heard, one of them has no place; flags are flags; and a span of one station is
marked as a calibration (`marked()`), with values that would spoil any mean.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from hub.app.telemetry import Zones, device_report, open_warnings
from hub.live import DeviceState
from hub.model import (
    Alert,
    AlertChange,
    CameraView,
    Change,
    Device,
    FaultKind,
    Mark,
    Position,
    Reading,
    Value,
    Zone,
)
from hub.moment import SECOND, from_text, to_text

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
END = from_text("2026-11-20T12:00:00Z")
START = END - 48 * HOUR
MONTH = END - 30 * 24 * HOUR
EVERY = 10 * MINUTE
"""How often the hub looks at its devices here; in a real city once a minute."""
REPORTS: dict[str, int] = {
    "air-station": HOUR,
    "river-gauge": 5 * MINUTE,
    "pump": MINUTE,
    "vehicle": 2 * MINUTE,
    "bus": 5 * MINUTE,
}
"""How often a kind of device reports; others every ten minutes."""
STANDS_IDLING = 20 * MINUTE
"""So long vehicles stand with the ignition on, once it was off for an hour."""
CUT_OFF = ("river-gauge-1", END - 20 * HOUR, END - 14 * HOUR)
MANY = {"air-station": 12, "water-network": 12}
NEVER_HEARD, NOWHERE = "spare-pump", "logger-in-a-drawer"
MARKED, MARKED_VALUE = "air-station-1", 900.0
LON, LAT = 122.02, 29.25

KINDS: dict[str, tuple[str, ...]] = {
    "air-station": ("pm25", "pm10", "so2", "no2", "co", "o3", "aqi"),
    "weather-station": ("air_temperature", "relative_humidity", "wind_speed", "wind_direction", "visibility"),
    "rain-gauge": ("rainfall", "rain_intensity", "battery"),
    "river-gauge": ("water_level", "water_flow", "battery"),
    "tide-gauge": ("water_level",),
    "underpass-gauge": ("water_depth", "battery", "rssi"),
    "water-station": ("ph", "dissolved_oxygen", "ammonia_nitrogen", "total_phosphorus", "codmn"),
    "water-plant": ("ph", "turbidity", "free_chlorine", "flow", "pressure"),
    "water-network": ("turbidity", "free_chlorine", "ph", "flow", "pressure"),
    "sewage-plant": ("cod", "ammonia_nitrogen", "total_phosphorus", "ph", "flow"),
    "substation": ("voltage", "frequency", "current", "active_power"),
    "gas-detector": ("methane_lel", "h2s", "oxygen", "battery", "rssi"),
    "pump": ("running", "vibration", "temperature", "current", "pressure", "flow"),
    "fire-panel": ("fire_alarm", "smoke"),
    "vehicle": ("speed", "course", "ignition", "odometer"),
    "bus": ("speed", "course", "ignition", "odometer"),
    "vessel": ("sog", "cog", "heading", "nav_status"),
}
BASE: dict[str, tuple[float, float]] = {
    "pm25": (55, 40), "pm10": (80, 40), "so2": (12, 8), "no2": (45, 20), "co": (0.8, 0.3), "o3": (150, 100), "aqi": (75, 60),
    "air_temperature": (18, 6), "relative_humidity": (70, 15), "wind_speed": (5, 4), "wind_direction": (180, 170), "visibility": (9000, 3000),
    "rainfall": (0.6, 0.6), "rain_intensity": (4, 4), "battery": (60, 35), "water_level": (7.6, 1.2), "water_flow": (140, 60),
    "water_depth": (0.1, 0.1), "rssi": (-95, 15), "ph": (7.3, 0.4), "dissolved_oxygen": (6, 2), "ammonia_nitrogen": (0.9, 0.7),
    "total_phosphorus": (0.2, 0.15), "codmn": (5, 3), "turbidity": (0.6, 0.3), "free_chlorine": (0.5, 0.3), "flow": (320, 200),
    "pressure": (350, 60), "cod": (52, 10), "voltage": (10000, 200), "frequency": (50, 0.05), "current": (220, 60), "active_power": (4200, 900),
    "methane_lel": (4, 4), "h2s": (2, 2), "oxygen": (20.9, 0.2), "vibration": (2.5, 1.2), "temperature": (45, 10), "smoke": (0.5, 0.4),
    "speed": (45, 45), "course": (180, 170), "sog": (7, 7), "cog": (180, 170), "heading": (178, 170),
}  # fmt: skip
AREAS = ("harbour", "old town", "north")
ZONES = (
    Zone("harbour-basin", "water", "Harbour basin", (((LON - 0.5, LAT - 0.5), (LON + 0.5, LAT - 0.5), (LON + 0.5, LAT + 0.5), (LON - 0.5, LAT + 0.5)),)),
)  # fmt: skip


def registry() -> dict[str, Device]:
    """Three devices of every kind, and of some more than a chart has colours for."""
    devices = {}
    for kind in KINDS:
        for n in range(MANY.get(kind, 3)):
            name = f"ais:41300000{n}" if kind == "vessel" else f"{kind}-{n}"
            attributes = {"warning_level_m": 8.0} if kind == "river-gauge" else {}
            place = Position(LON + n / 100, LAT + len(kind) / 1000)
            devices[name] = Device(name, f"{kind} {n}", kind, place, None, AREAS[n % 3], "city", attributes)
    devices[NEVER_HEARD] = Device(NEVER_HEARD, "spare pump", "pump", Position(LON, LAT), None, AREAS[0], "city", {})
    devices[NOWHERE] = Device(NOWHERE, "no place", "weather-station", None, None, AREAS[1], "city", {})
    return devices


def readings() -> Iterator[Reading]:
    """Everything the devices said and what the hub noted of it: by the hour for a month, then two days as they report."""
    chance = random.Random(7)
    devices = [device for device in registry().values() if device.device not in (NEVER_HEARD, NOWHERE)]
    for at in range(MONTH, START, HOUR):
        yield from (report(device, n, at + n * SECOND, chance) for n, device in enumerate(devices))
    for n, device in enumerate(devices):
        every = REPORTS.get(device.kind, EVERY)
        for due in range(START, END, every):
            at = due + int(chance.random() * every * 0.4)
            if not _silent(device.device, at) and at < END:
                yield report(device, n, at, chance)
    yield from _noted()


def marked() -> Iterator[Reading]:
    """A calibration in the middle of the last day: nothing of it may be seen in a mean."""
    for n in range(3):
        at = END - 10 * HOUR + n * 20 * MINUTE
        yield Reading(
            MARKED, at, {"pm25": MARKED_VALUE, "aqi": MARKED_VALUE}, received_at=at, adapter="sim", kind="air-station",
            marks={"pm25": Mark.CALIBRATION, "aqi": Mark.CALIBRATION},
        )  # fmt: skip


def _silent(device: str, at: int) -> bool:
    name, since, until = CUT_OFF
    return (device == name and since <= at < until) or (device == "pump-2" and at > END - 5 * HOUR)


def report(device: Device, n: int, at: int, chance: random.Random) -> Reading:
    """What device number `n` says at that time."""
    values = {metric: _value(metric, at, n, chance) for metric in KINDS[device.kind]}
    if device.kind in ("vehicle", "bus") and chance.random() < 0.05:
        values["events"] = ["harsh-braking"]
    if device.kind == "vessel":
        values |= {"name": f"TEST SHIP {n}", "ship_type": "cargo", "destination": "HARBOUR CITY", "draught": 6.5}
    angle = at / HOUR / 3 + n
    moving = device.kind in ("vehicle", "bus", "vessel")
    place = Position(LON + 0.03 * math.cos(angle), LAT + 0.02 * math.sin(angle)) if moving else None
    return Reading(device.device, at, values, place, received_at=at + SECOND // 2, adapter="sim", kind=device.kind)


def _noted() -> Iterator[Reading]:
    """What the hub wrote of its devices and of itself in the two days."""
    chance = random.Random(11)
    devices = registry()
    heard: dict[str, DeviceState] = {}
    zones = Zones(ZONES)
    for at in range(START, END, EVERY):
        for n, device in enumerate(devices.values()):
            if device.device in (NEVER_HEARD, NOWHERE) or _silent(device.device, at):
                continue
            told = report(device, n, at, chance)
            state = heard.setdefault(
                device.device, DeviceState(device.device, device.kind, "sim", at, at, at, skew_s=n * 1.5)
            )
            state.received_at, state.observed_at, state.position = at, at, told.position
            state.readings += 1
            state.take(told.values, at)
        noted = at + MINUTE
        for n, device in enumerate(devices.values()):
            level = 0 if device.device in (NEVER_HEARD, NOWHERE, "pump-2") else n % 5
            yield device_report(device.device, heard.get(device.device), device, 1, level, zones, noted)
        yield from hub_reports(noted, (at - START) // EVERY)
        yield from open_warnings([_standing(at)], devices, noted)


def _standing(at: int) -> Alert:
    since = at - 30 * HOUR
    raised = AlertChange("x", 0, since, "flood/river-stage", "river-gauge-0", Change.RAISED, "orange", area="harbour")
    return Alert("x", raised.rule, raised.subject, "orange", since, since, True, None, None, [raised])


def hub_reports(at: int, step: int, adapters: Sequence[str] = ("mqtt", "jt808", "ais")) -> Iterator[Reading]:
    """What the hub says of itself at its look number `step`."""
    for n, name in enumerate(adapters):
        total = step * 100 * (n + 1)
        values: dict[str, Value] = {
            "up": not (n == 1 and step % 50 == 0), "frames_received": total, "readings_received": total, "readings_logged": total - step,
            "readings_stored": total - step - 5, "readings_waiting": 5, "readings_quarantined": step, "readings_duplicate": 0, "readings_refused": 0,
        }  # fmt: skip
        values |= {f"faults_{kind.replace('-', '_')}": step for kind in FaultKind}
        yield Reading(f"hub-adapter:{name}", at, values, received_at=at, adapter="hub", kind="hub-adapter")
    for name in ("store/events", "rules"):
        lag: dict[str, Value] = {"reader_lag": step % 9, "reader_skipped": 0, "up": True}
        yield Reading(f"hub-reader:{name}", at, lag, received_at=at, adapter="hub", kind="hub-reader")
    yield Reading("hub-stream:events", at, {"log_bytes": step * 4096}, received_at=at, adapter="hub", kind="hub-stream")


def _value(metric: str, at: int, n: int, chance: random.Random) -> Value:
    if metric in ("running", "ignition"):
        return (at // HOUR + n) % 3 != 0
    if metric == "speed" and (hour := at // HOUR + n) % 3 < 2 and (hour % 3 == 0 or at % HOUR < STANDS_IDLING):
        return 0.0
    if metric == "fire_alarm":
        return False
    if metric == "nav_status":
        return "at anchor" if n % 3 == 0 else "under way using engine"
    if metric == "odometer":
        return 20_000.0 + 1000.0 * n + (at - START) / HOUR * 20
    middle, reach = BASE[metric]
    value = middle + reach * (0.8 * math.sin(at / HOUR / 4 + n) + 0.2 * chance.uniform(-1, 1))
    return round(value, 3)


def changes() -> list[AlertChange]:
    """Warnings of all four levels: some answered and cleared, one pair of vessels, one about a vehicle, some still open."""
    views = [CameraView("cam-bridge", 0.9, 120.0, 10.0, True, "in its sector", "Bridge")]
    told: list[AlertChange] = []
    subjects = (
        ("flood/river-stage", "river-gauge-0", "harbour"), ("air-cn/pm25-hourly", "air-station-1", "old town"),
        ("marine/encounter", "ais:413000000+ais:413000001", "harbour"), ("fleet/overspeed", "vehicle-0", "north"),
        ("gas/tunnel", "gas-detector-2", "north"), ("air-cn/o3-hourly", "air-station-0", "harbour"),
    )  # fmt: skip
    levels = ("blue", "yellow", "orange", "red")
    for n in range(96):
        rule, subject, area = subjects[n % len(subjects)]
        at = START + n * 30 * MINUTE
        name = f"{rule}@{subject}@{to_text(at)}"

        def change(
            ordinal: int, after: int, what: Change, level: str, who: str = "",
            name: str = name, at: int = at, rule: str = rule, subject: str = subject, area: str = area,
        ) -> AlertChange:  # fmt: skip
            return AlertChange(
                name,
                ordinal,
                at + after,
                rule,
                subject,
                what,
                level,
                f"{rule} at {subject}",
                {},
                Position(LON, LAT),
                views,
                area=area,
                who=who,
                pair=("ais:413000000", "ais:413000001") if rule == "marine/encounter" else None,
            )

        told.append(change(0, SECOND, Change.RAISED, levels[n % 4]))
        if n % 3 == 0:
            told.append(change(1, 5 * MINUTE, Change.ACKNOWLEDGED, levels[n % 4], "li"))
        if n % 5:
            told.append(change(2, 20 * MINUTE, Change.CLEARED, levels[n % 4]))
    return [change for change in told if change.at < END]
