"""The JSON objects that leave the hub, one shape each, whoever asks: `backtest`, `alerts`, `decode`, webhooks, the API."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from hub.bilingual import Text
from hub.model import AlertChange, CameraView, Message, Motion, Origin, Reading, Watch
from hub.moment import SECOND, to_text

CLIP_BEFORE_NS = 60 * SECOND
CLIP_AFTER_NS = 120 * SECOND
"""House values: a minute before, two after."""
NOBODY = Text("nobody sees it", "无可见摄像机")


def change_to_json(change: AlertChange) -> dict[str, Any]:
    """A step in the life of a warning, as CONTRACTS states it, plain dicts and lists throughout.

    Numbers that JSON lacks (NaN, infinities) become null, wherever they stand.
    """
    return {key: _jsonable(value) for key, value in _shown(change).items()}


def change_line(change: AlertChange) -> bytes:
    """The same object as one line of JSON; msgspec writes what JSON lacks as null by itself."""
    return msgspec.json.encode(_shown(change))


def _shown(change: AlertChange) -> dict[str, Any]:
    return {
        "at": to_text(change.at),
        "rule": change.rule,
        "subject": change.subject,
        "change": change.change.value,
        "level": change.level,
        "values": change.values,
        "position": [change.position.lon, change.position.lat] if change.position else None,
        "cameras": [camera_to_json(view) for view in change.cameras],
        "clip": clip(change) if change.cameras else None,
        "motion": _motion(change.motion),
        "handover": [watch_to_json(watch, change.at) for watch in change.handover],
        "alert": change.alert,
        "id": change.id,
        "ordinal": change.ordinal,
        "title": change.title,
        "title_now": change.title_now,
        "reason": change.reason,
        "title_zh": change.title_zh,
        "title_now_zh": change.title_now_zh,
        "reason_zh": change.reason_zh,
        "evidence": change.evidence,
        "source": change.source,
        "cap": change.cap,
        "area": change.area,
        "group": change.group,
        "late": change.late,
        "who": change.who,
        "note": change.note,
        "contact": change.contact,
        "until": to_text(change.until) if change.until is not None else None,
        "origin": origin_to_json(change.origin) if change.origin else None,
    }


def in_language(shown: Any, language: str) -> Any:
    """What people read of an object in their language: in Chinese, each text that has another with `_zh` after its name gives way to
    it, at any depth. Both stay under their own names, too. English is what is there already."""
    if language != "zh":
        return shown
    if isinstance(shown, list):
        return [in_language(item, language) for item in shown]
    if not isinstance(shown, dict):
        return shown
    return {key: shown.get(f"{key}_zh") or in_language(value, language) for key, value in shown.items()}


def origin_to_json(origin: Origin) -> dict[str, Any]:
    """Whose warning it is, and the hubs this change of it has passed."""
    return {"hub": origin.hub, "ordinal": origin.ordinal, "path": list(origin.path)}


def clip(change: AlertChange) -> dict[str, str]:
    """The stretch of video to keep: what led to the change, and what came of it."""
    return {"from": to_text(change.at - CLIP_BEFORE_NS), "to": to_text(change.at + CLIP_AFTER_NS)}


def camera_to_json(view: CameraView) -> dict[str, Any]:
    return {
        "camera": view.camera,
        "score": view.score,
        "distance_m": view.distance_m,
        "bearing_deg": view.bearing_deg,
        "sees": view.sees,
        "reason": view.reason,
        "reason_zh": view.reason_zh,
        "name": view.name,
        "stream_url": view.stream_url,
        "gb28181_id": view.gb28181_id or None,
        "pixels_per_m": view.pixels_per_m,
        "pose": msgspec.to_builtins(view.pose) if view.pose else None,
    }


def _motion(motion: Motion | None) -> dict[str, float] | None:
    if motion is None:
        return None
    return {"course_deg": motion.course_deg, "speed_kmh": round(motion.speed_ms * 3.6, 1)}


def watch_to_json(watch: Watch, at: int | None = None) -> dict[str, Any]:
    """A stretch of a moving target's way. `at`: what its seconds count from, for times by the clock beside them."""
    shown: dict[str, Any] = {
        "camera": watch.camera or None,
        "from_s": watch.from_s,
        "until_s": watch.until_s,
        "turn_by_s": watch.turn_by_s,
        "score": watch.score,
        "reason": watch.reason if watch.camera else NOBODY.en,
        "reason_zh": watch.reason_zh if watch.camera else NOBODY.zh,
        "name": watch.name,
        "position": [watch.position.lon, watch.position.lat] if watch.position else None,
        "stream_url": watch.stream_url or None,
        "gb28181_id": watch.gb28181_id or None,
        "pose": msgspec.to_builtins(watch.pose) if watch.pose else None,
    }
    if at is not None:
        shown |= {"from": _later(at, watch.from_s), "until": _later(at, watch.until_s)}
    return shown


def _later(at: int, seconds: float) -> str:
    return to_text(at + int(seconds * SECOND))


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """A reading as `decode` and exports show it. `observed_at` is null where only the receive time would date it."""
    shown: dict[str, Any] = {
        "device": reading.device or None,
        "observed_at": to_text(reading.observed_at) if reading.observed_at is not None else None,
        "values": reading.values,
    }
    if reading.position is not None:
        shown["lon"] = reading.position.lon
        shown["lat"] = reading.position.lat
        if reading.position.alt is not None:
            shown["alt"] = reading.position.alt
    if reading.marks:
        shown["marks"] = reading.marks
    if reading.kind:
        shown["kind"] = reading.kind
    if reading.path:
        shown["path"] = reading.path
    return shown


def detail_to_json(message: Message) -> Any:
    """The protocol's own view of a frame: its body's `detail()` where it has one, else its fields."""
    body = message.body
    if body is None:
        return {}
    if hasattr(body, "detail"):
        return plain(body.detail())
    return plain(body)


def plain(value: Any) -> Any:
    """Structs and bytes as JSON-able data; bytes as hex."""
    return _jsonable(msgspec.to_builtins(value, builtin_types=(bytes, bytearray), str_keys=True, enc_hook=str))


def _jsonable(value: Any) -> Any:
    """Plain data that JSON can say: bytes as hex, NaN and infinities as null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value
