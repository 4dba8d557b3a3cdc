"""What a codec says of a frame, whole: for `cityhub decode`, and for input that stands in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.json import decode_native
from hub.bilingual import Text
from hub.clock import now
from hub.error_words import words_of
from hub.model import Fault, Message, Verdict
from hub.options import AdapterConfig
from hub.ports import Codec, NotSupported, Plugin
from hub.validation import without_zero
from hub.wire import detail_to_json, reading_to_json


def decoded_by(codec: Codec, data: bytes, binary: bool, received: int | None) -> dict[str, Any]:
    """What every frame in these bytes holds, together, and the answer the device would hear had it been stored. `received` (ns): when
    they came; without it a frame that carries no time has none."""
    return shown([*codec.feed(data, received), *codec.end(received)], codec, binary, received)


def shown(messages: Sequence[Message], codec: Codec | None, binary: bool, received: int | None) -> dict[str, Any]:
    """Messages as plain data: `readings`, `faults`, `reply`, `detail`, and the `device` where one is named or there is no reading."""
    faults: list[Fault] = []
    for message in messages:
        for reading in message.readings:
            if finding := without_zero(reading):
                faults.append(Fault(finding.kind, finding.detail, message.raw, reading.device))
        message.readings = [one for one in message.readings if one.values or one.position is not None]
    at = received if received is not None else now()
    replies = [
        reply for message in messages if codec and (reply := codec.reply(message, Verdict.STORED, at)) is not None
    ]
    faults += [fault for message in messages for fault in message.faults]
    details = [detail_to_json(message) for message in messages]
    found: dict[str, Any] = {
        "readings": [reading_to_json(reading) for message in messages for reading in message.readings],
        "faults": [{"kind": fault.kind, "detail": fault.detail} for fault in faults],
        "reply": _reply(replies, binary),
        "detail": details[0] if len(details) == 1 else {"frames": details} if details else {},
    }
    device = next((message.device for message in messages if message.device), None)
    if device is not None or not found["readings"]:
        found["device"] = device
    return found


def _reply(replies: list[bytes], binary: bool) -> str | None:
    if not replies:
        return None
    joined = b"".join(replies)
    return joined.hex() if binary else joined.decode("utf-8", "replace")


def decoded_again(
    adapters: Sequence[AdapterConfig], plugins: Mapping[str, Plugin], fault: Fault, raw: bytes
) -> dict[str, Any]:
    """What the codec of the adapter by which it came says today of these bytes of quarantine. Raises `NotSupported` with the reason where
    none can say anything: bytes alone do not tell what a topic or a session would have."""
    if not raw:
        raise NotSupported(Text("the bytes of this entry were not kept", "此条目的原始字节未保留"))
    if fault.adapter == "api":
        return {"protocol": "json", **shown([decode_native(raw)], None, False, fault.received_at)}
    config = next((one for one in adapters if one.name == fault.adapter), None)
    plugin = plugins.get(fault.adapter)
    if config is None or plugin is None:
        raise NotSupported(Text(f"there is no adapter {fault.adapter!r} any more", f"接入 {fault.adapter!r} 已不存在"))
    if plugin.codec is None:
        raise NotSupported(
            Text(
                f"{config.protocol} has no frames that can be decoded by themselves",
                f"{config.protocol} 没有可单独解码的报文",
            )
        )
    try:
        codec = plugin.codec(config.codec_options)
    except (OSError, ValueError) as error:  # a map or a file of keys that is gone
        raise NotSupported(words_of(error)) from None
    return {"protocol": config.protocol, **decoded_by(codec, raw, plugin.binary, fault.received_at)}
