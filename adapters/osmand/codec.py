"""OsmAnd and Traccar Client: phones and hand-helds that send their position in HTTP requests.

Two forms: parameters in the query or an urlencoded body (speed in knots), and JSON of the newer client (speed in m/s,
battery 0-1, -1 for unknown). Pure: bytes in, messages out; answers by the hub's verdict (README: which status when).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl

from adapters.http_requests import Request, RequestReader, response
from adapters.wallclock import ClockOptions, zone_named
from hub.json_once import decode, refuse
from hub.model import Fault, FaultKind, Message, Position, Reading, Value, Verdict
from hub.moment import SECOND, from_text

PARAMETERS_MAX = 200
DEVICE_CHARACTERS_MAX = 64
LOCATIONS_MAX = 500
"""Fixes in one JSON request."""
_KMH_PER_KNOT = 1.852
_MILLISECONDS_FROM = 1e11
"""Numbers this large count milliseconds: as seconds they would lie beyond the year 5000."""
_SECONDS_MAX = (1 << 63) / SECOND
"""What 64 bits of nanoseconds hold: to the year 2262."""
_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)$")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class OsmandCodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How phones mean the time that they send."""

    zone: str = "UTC"
    """Of ISO times that carry none: an IANA name, or an offset such as "+08:00"."""


class OsmandCodec:
    """One connection."""

    def __init__(self, options: OsmandCodecOptions) -> None:
        self._zone = zone_named(options.zone)
        self._received_at: int | None = None
        self._reader = RequestReader()

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        return [self._message(request) for request in self._reader.feed(data)]

    def end(self, received_at: int | None = None) -> list[Message]:
        return [self._message(request) for request in self._reader.end()]

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        body = message.body
        if not isinstance(body, Body) or body.request.status == 0:
            return None
        request = body.request
        if verdict is Verdict.REFUSED and message.spent and message.device is not None:
            # These clients send the first in their queue again until they hear a 2xx, and nothing behind it.
            return response(200, f"refused: {message.reason}", request.close)
        taken = verdict is Verdict.STORED and message.readings  # what had no time may count by the hub's
        if request.status >= 400 and not taken:
            return response(request.status, message.reason, request.close)
        if verdict is Verdict.STORED:
            return response(200, close=request.close)
        if verdict is Verdict.BUSY:
            text = "the hub cannot take this now; send it again later"
            return response(503, text, request.close, "Retry-After: 10\r\n")
        return response(400, message.reason or "nothing in it could be used", request.close)

    # ------------------------------------------------------------------------------------------------- content

    def _message(self, request: Request) -> Message:
        body = Body(request)
        message = Message([], [], body=body, raw=request.raw)
        if request.kind is not None:
            message.faults.append(Fault(request.kind, request.trouble, request.raw))
            return message
        try:
            body.read()
        except ValueError as problem:
            return self._refuse(message, FaultKind.SYNTAX, str(problem))
        device = body.device()
        if not device:
            return self._refuse(message, FaultKind.SYNTAX, "no id: the request does not say which device it is from")
        if len(device) > DEVICE_CHARACTERS_MAX or not device.isprintable():
            return self._refuse(
                message, FaultKind.SYNTAX, f"an id is printable and has {DEVICE_CHARACTERS_MAX} characters at most"
            )
        message.device = f"osmand:{device}"
        if body.json is None:
            self._parameters(message, body.parameters)
        else:
            self._json(message, body.json)
        return message

    def _refuse(self, message: Message, kind: FaultKind, detail: str) -> Message:
        message.body.request.status = 400
        self._fault(message, kind, detail)
        return message

    @staticmethod
    def _fault(message: Message, kind: FaultKind, detail: str, readings: int = 0) -> None:
        message.faults.append(Fault(kind, detail, message.raw, message.device, readings=readings))

    def _parameters(self, message: Message, parameters: dict[str, list[str]]) -> None:
        """The query and form: each name's last value counts."""
        last = {name: values[-1] for name, values in parameters.items()}
        fix = _Fix(message)
        fix.place(*_place(last))
        fix.altitude = fix.number("altitude", last.get("altitude"))
        fix.put("speed", fix.number("speed", last.get("speed")), _KMH_PER_KNOT, low=0)
        fix.put("course", fix.number("bearing", last.get("bearing", last.get("heading"))), low=0)
        fix.put("accuracy", fix.number("accuracy", last.get("accuracy")), low=0)
        fix.put("hdop", fix.number("hdop", last.get("hdop")), low=0)
        fix.put("battery", fix.number("batt", last.get("batt")), low=0)
        fix.put("engine_speed", fix.number("rpm", last.get("rpm")), low=0)
        for name, metric in (("ignition", "ignition"), ("charge", "charging"), ("motion", "moving")):
            if last.get(name, "").lower() in _FLAGS:
                fix.values[metric] = _FLAGS[last[name].lower()]
        if last.get("driverUniqueId"):
            fix.values["driver"] = last["driverUniqueId"]
        if last.get("alarm"):
            fix.values["alarms"] = parameters["alarm"]
        if _FLAGS.get(last.get("valid", "").lower()) is False:
            fix.lon = fix.lat = None
        fix.close(self, last.get("timestamp"))

    def _json(self, message: Message, document: dict[str, Any]) -> None:
        """The newer client: `location` is an object (or a list of them), everything in SI units, -1 is unknown."""
        found = document.get("location")
        locations = found if isinstance(found, list) else [found]
        if len(locations) > LOCATIONS_MAX:
            self._refuse(
                message, FaultKind.OVERSIZE, f"{len(locations)} locations in one request; the limit is {LOCATIONS_MAX}"
            )
            return
        for location in locations:
            if not isinstance(location, dict):
                self._fault(message, FaultKind.SYNTAX, "location is not an object with timestamp and coords", 1)
                continue
            self._location(message, location)
        if message.faults and not message.readings:
            message.body.request.status = 400

    def _location(self, message: Message, location: dict[str, Any]) -> None:
        coords = _object(location.get("coords"))
        battery = _object(location.get("battery"))
        fix = _Fix(message)
        fix.place(coords.get("latitude"), coords.get("longitude"))
        fix.altitude = fix.number("altitude", coords.get("altitude"))
        fix.put("speed", fix.number("speed", coords.get("speed")), 3.6, low=0)
        fix.put("course", fix.number("heading", coords.get("heading")), low=0)
        fix.put("accuracy", fix.number("accuracy", coords.get("accuracy")), low=0)
        fix.put("battery", fix.number("battery", battery.get("level")), 100, low=0)
        fix.put("odometer", fix.number("odometer", location.get("odometer")), 0.001, low=0)
        for value, metric in ((battery.get("is_charging"), "charging"), (location.get("is_moving"), "moving")):
            if isinstance(value, bool):
                fix.values[metric] = value
        fix.close(self, location.get("timestamp"))

    def time(self, stamp: Any) -> int | None:
        """ns UTC of seconds, milliseconds or ISO 8601; None for none. Raises ValueError with a sentence."""
        if stamp is None or stamp == "":
            return None
        number = _float(stamp)
        if number is not None:
            if abs(number) < _SECONDS_MAX:
                return round(number * 1e6) * 1000
            if _MILLISECONDS_FROM <= abs(number) < 1000 * _SECONDS_MAX:
                return round(number) * (SECOND // 1000)
        elif isinstance(stamp, str):
            return from_text(_LOST_PLUS.sub(r"\1+\2", stamp.strip()), self._zone, self._received_at)
        raise ValueError(f"timestamp {str(stamp)[:40]!r} is neither seconds nor milliseconds nor ISO 8601")


class _Fix:
    """One reading in the making."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.values: dict[str, Value] = {}
        self.lon: float | None = None
        self.lat: float | None = None
        self.altitude: float | None = None

    def number(self, name: str, given: Any) -> float | None:
        """A finite number, or None with a fault where something else was given."""
        if given is None or given == "":
            return None
        value = _float(given)
        if value is None:
            OsmandCodec._fault(self.message, FaultKind.VALUE, f"{name} {str(given)[:40]!r} is not a number")
        return value

    def put(self, metric: str, value: float | None, factor: float = 1, low: float | None = None) -> None:
        """The value in the metric's unit; below `low` it means "unknown"."""
        if value is not None and (low is None or value >= low):
            self.values[metric] = value if factor == 1 else round(value * factor, 6)

    def place(self, lat: Any, lon: Any) -> None:
        if lat in (None, "") and lon in (None, ""):
            return
        y, x = _float(lat), _float(lon)
        if x is None or y is None or not (-180 <= x <= 180 and -90 <= y <= 90):
            detail = f"latitude {str(lat)[:40]}, longitude {str(lon)[:40]} is nowhere on Earth"
            OsmandCodec._fault(self.message, FaultKind.POSITION, detail)
        else:
            self.lon, self.lat = x, y

    def close(self, codec: OsmandCodec, stamp: Any) -> None:
        position = None
        if self.lon is not None and self.lat is not None:
            position = Position(self.lon, self.lat, self.altitude)
        reading = Reading(self.message.device or "", None, self.values, position, kind="phone")
        useful = bool(self.values) or position is not None
        try:
            reading.observed_at = codec.time(stamp)
        except (ValueError, OverflowError) as problem:
            OsmandCodec._fault(self.message, FaultKind.TIME, str(problem), int(useful))
            self.message.faults[-1].reading = reading if useful else None
            if not self.message.readings:
                self.message.body.request.status = 400
            return
        if useful:
            self.message.readings.append(reading)


class Body:
    """The request as it was understood, shown as detail."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.form = ""
        self.parameters: dict[str, list[str]] = {}
        self.json: dict[str, Any] | None = None

    def read(self) -> None:
        """Parameters of query and form, or the JSON document. Raises ValueError with a sentence."""
        request = self.request
        _, _, query = request.target.partition("?")
        self._add(query)
        self.form = "query"
        if not request.body.strip():
            return
        if "json" in request.content_type.lower() or request.body.lstrip()[:1] == b"{":
            self.form = "json"
            try:
                document = decode(request.body)
                refuse(document)
            except (ValueError, RecursionError) as problem:
                raise ValueError(f"the body is not JSON: {problem}") from None
            if not isinstance(document, dict):
                raise ValueError("the JSON body is not an object with location and device_id")
            self.json = document
        else:
            self.form = "form"
            self._add(request.body.decode("utf-8", "replace").strip())

    def _add(self, text: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
        except ValueError:
            raise ValueError(f"more than {PARAMETERS_MAX} parameters") from None
        for name, value in pairs:
            self.parameters.setdefault(name, []).append(value)

    def device(self) -> str:
        """`device_id` of the JSON, else `id` or `deviceid` of the parameters; "" where there is none."""
        named = self.json.get("device_id") if self.json else None
        if isinstance(named, str | int) and not isinstance(named, bool):
            return str(named).strip()
        for name in ("id", "deviceid"):
            if name in self.parameters:
                return self.parameters[name][-1].strip()
        return ""

    def detail(self) -> dict[str, Any]:
        request = self.request
        view: dict[str, Any] = {"method": request.method, "target": request.target.partition("?")[0], "form": self.form}
        if self.parameters:
            view["params"] = {
                name: values[0] if len(values) == 1 else values for name, values in self.parameters.items()
            }
        if self.json is not None:
            view["json"] = self.json
        view["status"] = request.status
        return view


def _place(last: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Latitude and longitude from `lat` and `lon`, or from `location=lat,lon`."""
    if "location" in last and not ("lat" in last and "lon" in last):
        lat, _, lon = last["location"].partition(",")
        return lat, lon
    return last.get("lat"), last.get("lon")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
