"""An alert change as the JSON object that leaves the hub: webhook bodies, `backtest --json`, `alerts --json`, the API.

One function for all of them, so that the same change looks the same everywhere. Times are ISO 8601 with Z, positions
[lon, lat] in WGS-84 degrees.
"""

from __future__ import annotations

from typing import Any

from hub.model import AlertChange, CameraView
from hub.moment import to_text


def change_to_json(change: AlertChange) -> dict[str, Any]:
    """The object of CONTRACTS for one change, plain dicts and lists throughout.

    Numbers that JSON lacks (NaN, infinities) become null, wherever they stand.
    """
    position = change.position
    wire = {
        "id": change.id,
        "at": to_text(change.at),
        "rule": change.rule,
        "subject": change.subject,
        "change": str(change.change),
        "level": change.level,
        "title": change.title,
        "values": change.values,
        "position": None if position is None else [position.lon, position.lat],
        "cameras": [camera_to_json(view) for view in change.cameras],
        "alert": change.alert,
        "ordinal": change.ordinal,
        "area": change.area,
        "reason": change.reason,
        "late": change.late,
        "who": change.who,
        "note": change.note,
        "source": change.source,
        "evidence": change.evidence,
        "cap": change.cap,
    }
    return {key: _jsonable(value) for key, value in wire.items()}


def camera_to_json(view: CameraView) -> dict[str, Any]:
    """One camera's claim on the place, as in `cameras` of a change and `cityhub cameras --json`."""
    return {
        "camera": view.camera,
        "name": view.name,
        "score": view.score,
        "distance_m": view.distance_m,
        "bearing_deg": view.bearing_deg,
        "sees": view.sees,
        "reason": view.reason,
        "stream_url": view.stream_url,
    }


def _jsonable(value: Any) -> Any:
    match value:
        case float() if value - value != 0.0:
            return None
        case dict():
            return {str(key): _jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item) for item in value]
    return value
