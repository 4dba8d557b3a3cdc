"""MQTT 3.1.1 and 5.0 as a subscriber needs them: bytes → packets, and the few packets a subscriber sends.

OASIS MQTT Version 3.1.1 and Version 5.0; section numbers below are those of 5.0. Pure: no socket, no clock. A stream
that breaks the rules sets `Decoder.error` to a sentence and yields nothing more; the connection must then be closed,
because MQTT has no mark to find the next packet by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from hub.bilingual import Text, quoted

V311 = 4
V5 = 5
PACKET_LIMIT = 1_048_576  # bytes
_HEAD_LIMIT = 65_536 + 1024  # bytes of an oversize PUBLISH that are looked at: its topic and packet id
_KEPT = 1024  # bytes of its payload that are kept

Properties: TypeAlias = Mapping[str, Any]
NO_PROPERTIES: Properties = {}


class Publish(msgspec.Struct, gc=False):
    """A message. `size` is the payload's length on the wire: larger than `payload` where it was over the limit."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    retain: bool
    dup: bool
    properties: Properties
    size: int


class Connack(msgspec.Struct):
    session_present: bool
    code: int
    properties: Properties


class Suback(msgspec.Struct):
    packet_id: int
    codes: list[int]
    properties: Properties


class Pubrel(msgspec.Struct):
    packet_id: int


class Pingresp(msgspec.Struct):
    pass


class Disconnect(msgspec.Struct):
    code: int
    properties: Properties


class Ignored(msgspec.Struct):
    """A packet that is legal and of no use to a subscriber: acknowledgements of what was never sent reliably."""

    type: int


Packet: TypeAlias = Publish | Connack | Suback | Pubrel | Pingresp | Disconnect | Ignored


class Malformed(ValueError):
    """These bytes are not MQTT; the sentence says what is wrong."""


# -------------------------------------------------------------------------------------------------- bytes → packets


class Decoder:
    """Bytes of one connection → packets, whatever the chunks. Holds at most one packet of `packet_limit` bytes.

    Of a PUBLISH over the limit the head is kept and the rest skipped, so that it can be acknowledged and reported: a
    broker would send it again for ever if the connection were just closed.
    """

    def __init__(self, version: int = V5, packet_limit: int = PACKET_LIMIT) -> None:
        self.version = version
        self.error: str | None = None
        self._limit = packet_limit
        self._held = bytearray()
        self._needed = 2
        self._skip = 0

    def feed(self, data: bytes) -> list[Packet]:
        """The packets completed by these bytes."""
        if self.error is not None:
            return []
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
            self._held = bytearray()
        packets: list[Packet] = []
        try:
            self._take(data, packets)
        except (Malformed, IndexError, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, Malformed) else "a packet is shorter than its fields, or not UTF-8"
            self.error = f"the broker broke the rules of MQTT: {reason}"
        return packets

    def _take(self, data: bytes, packets: list[Packet]) -> None:
        at, end = 0, len(data)
        while end - at >= 2:
            # Remaining length (§1.5.5): seven bits a byte, at most four bytes.
            length, body = data[at + 1], at + 2
            if length > 127:
                length &= 127
                shift = 7
                while True:
                    if body >= end:
                        self._hold(data, at, end - at + 1)
                        return
                    digit = data[body]
                    body += 1
                    length |= (digit & 127) << shift
                    if digit < 128:
                        break
                    shift += 7
                    if shift > 21:
                        raise Malformed("a remaining length of more than four bytes")
            stop = body + length
            first = data[at]
            if length > self._limit:
                if first >> 4 != 3:
                    raise Malformed(f"a packet of type {first >> 4} with {length} bytes")
                head = min(length, _HEAD_LIMIT)
                if end < body + head:
                    self._hold(data, at, body - at + head)
                    return
                message = self._publish(first, data, body, body + head, length)
                message.payload = message.payload[:_KEPT]
                packets.append(message)
                self._skip = max(0, stop - end)
                at = min(stop, end)
                continue
            if stop > end:
                self._hold(data, at, stop - at)
                return
            if first >> 4 == 3:
                packets.append(self._publish(first, data, body, stop, length))
            else:
                packets.append(self._other(first, data[body:stop]))
            at = stop
        if at < end:
            self._hold(data, at, 2)

    def _hold(self, data: bytes, at: int, needed: int) -> None:
        self._held += data[at:]
        self._needed = needed

    def _publish(self, first: int, data: bytes, body: int, stop: int, length: int) -> Publish:
        """PUBLISH (§3.3). `stop` is where the packet or what is kept of it ends."""
        start = body + 2
        at = start + (data[body] << 8 | data[body + 1])
        qos = first >> 1 & 3
        packet_id = 0
        topic_end = at
        if qos:
            packet_id = data[at] << 8 | data[at + 1]
            at += 2
            if qos == 3 or not packet_id:
                raise Malformed("a message of QoS 3 or without a packet id")
        properties = NO_PROPERTIES
        if self.version == V5:
            if data[at]:
                size, at = _varint(data, at)
                if at + size > stop:
                    raise Malformed("properties longer than their packet")
                properties = _properties(data, at, at + size)
                at += size
            else:
                at += 1
        if at > stop:
            raise Malformed("a topic longer than its packet")
        topic = str(data[start:topic_end], "utf-8")
        return Publish(
            topic, data[at:stop], qos, packet_id, first & 1 == 1, first & 8 == 8, properties, length - (at - body)
        )

    def _other(self, first: int, body: bytes) -> Packet:
        kind = first >> 4
        if kind == 13:
            return Pingresp()
        if kind == 2:
            # A broker that knows only 3.1.1 answers a CONNECT of version 5 with two bytes and no properties.
            return Connack(body[0] & 1 == 1, body[1], self._properties_at(body, 2))
        if kind == 9:
            packet_id = body[0] << 8 | body[1]
            at, properties = 2, NO_PROPERTIES
            if self.version == V5:
                size, at = _varint(body, 2)
                properties = _properties(body, at, at + size)
                at += size
            return Suback(packet_id, list(body[at:]), properties)
        if kind == 6:
            return Pubrel(body[0] << 8 | body[1])
        if kind == 14 and self.version == V5:
            return Disconnect(body[0] if body else 0, self._properties_at(body, 1))
        if kind in (4, 5, 7, 11):
            return Ignored(kind)
        raise Malformed(f"a packet of type {kind}, which no broker sends to a client")

    def _properties_at(self, body: bytes, at: int) -> Properties:
        if self.version != V5 or len(body) <= at:
            return NO_PROPERTIES
        size, at = _varint(body, at)
        return _properties(body, at, at + size)


_BYTE, _TWO, _FOUR, _VARINT, _TEXT, _DATA, _PAIR = range(7)
_PROPERTIES = {
    0x01: ("payload_format", _BYTE),
    0x02: ("message_expiry_s", _FOUR),
    0x03: ("content_type", _TEXT),
    0x08: ("response_topic", _TEXT),
    0x09: ("correlation_data", _DATA),
    0x0B: ("subscription_id", _VARINT),
    0x11: ("session_expiry_s", _FOUR),
    0x12: ("assigned_client_id", _TEXT),
    0x13: ("server_keep_alive_s", _TWO),
    0x15: ("authentication_method", _TEXT),
    0x16: ("authentication_data", _DATA),
    0x1A: ("response_information", _TEXT),
    0x1C: ("server_reference", _TEXT),
    0x1F: ("reason", _TEXT),
    0x21: ("receive_max", _TWO),
    0x22: ("topic_alias_max", _TWO),
    0x23: ("topic_alias", _TWO),
    0x24: ("qos_max", _BYTE),
    0x25: ("retain_available", _BYTE),
    0x26: ("user", _PAIR),
    0x27: ("packet_bytes_max", _FOUR),
    0x28: ("wildcards_available", _BYTE),
    0x29: ("subscription_ids_available", _BYTE),
    0x2A: ("shared_available", _BYTE),
}  # §2.2.2.2, table 2-4


def _properties(data: bytes, at: int, end: int) -> Properties:
    """Properties by our names (§2.2.2). `user` and `subscription_id` may repeat: of those all, of others the last."""
    if end > len(data):
        raise Malformed("properties longer than their packet")
    found: dict[str, Any] = {}
    while at < end:
        known = _PROPERTIES.get(data[at])
        if known is None:
            raise Malformed(f"property 0x{data[at]:02x}, which MQTT 5 does not know")
        name, kind = known
        at += 1
        if kind == _BYTE:
            found[name], at = data[at], at + 1
        elif kind == _TWO:
            found[name], at = int.from_bytes(data[at : at + 2], "big"), at + 2
        elif kind == _FOUR:
            found[name], at = int.from_bytes(data[at : at + 4], "big"), at + 4
        elif kind == _VARINT:
            found[name], at = _varint(data, at)
        elif kind == _PAIR:
            key, at = _field(data, at)
            value, at = _field(data, at)
            found.setdefault(name, {})[str(key, "utf-8")] = str(value, "utf-8")
        else:
            field, at = _field(data, at)
            found[name] = field if kind == _DATA else str(field, "utf-8")
    if at != end:
        raise Malformed("a property longer than its packet")
    return found


def _field(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end], end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        digit = data[at]
        at += 1
        value |= (digit & 127) << shift
        if digit < 128:
            return value, at
        shift += 7
        if shift > 21:
            raise Malformed("a variable length integer of more than four bytes")


# -------------------------------------------------------------------------------------------------- packets → bytes


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + encode_varint(len(body)) + body


def encode_varint(value: int) -> bytes:
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | 128 if value else digit)
        if not value:
            return bytes(digits)


def _counted(field: bytes) -> bytes:
    return len(field).to_bytes(2, "big") + field


def connect(
    client_id: str,
    version: int = V5,
    keepalive_s: int = 30,
    clean_start: bool = False,
    session_expiry_s: int = 0,
    receive_max: int = 65_535,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """CONNECT (§3.1). Under 3.1.1 there is no expiry and no receive maximum; the session lasts as the broker likes."""
    flags = (0x02 if clean_start else 0) | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = b"\x00\x04MQTT" + bytes([version, flags]) + keepalive_s.to_bytes(2, "big")
    if version == V5:
        # No maximum packet size: brokers drop what is longer without a word, and we want to say so ourselves.
        properties = b"\x11" + session_expiry_s.to_bytes(4, "big") + b"\x21" + receive_max.to_bytes(2, "big")
        body += encode_varint(len(properties)) + properties
    body += _counted(client_id.encode())
    if username is not None:
        body += _counted(username.encode())
    if password is not None:
        body += _counted(password.encode())
    return _packet(0x10, body)


RETAINED_ALWAYS = 0
RETAINED_IF_NEW = 1


def subscribe(
    packet_id: int, topics: Iterable[str], version: int = V5, qos: int = 1, retained: int = RETAINED_IF_NEW
) -> bytes:
    """SUBSCRIBE (§3.8). `retained`: whether version 5 brokers send retained messages again to a known subscription."""
    options = bytes([qos | retained << 4 if version == V5 else qos])
    body = packet_id.to_bytes(2, "big") + (b"\x00" if version == V5 else b"")
    return _packet(0x82, body + b"".join(_counted(topic.encode()) + options for topic in topics))


def publish(
    topic: str,
    payload: bytes,
    qos: int = 0,
    packet_id: int = 0,
    version: int = V5,
    retain: bool = False,
    content_type: str = "",
) -> bytes:
    """PUBLISH (§3.3)."""
    body = _counted(topic.encode())
    if qos:
        body += packet_id.to_bytes(2, "big")
    if version == V5:
        properties = b"\x03" + _counted(content_type.encode()) if content_type else b""
        body += encode_varint(len(properties)) + properties
    return _packet(0x30 | qos << 1 | retain, body + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK (§3.4) without reason: success."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def pubrec(packet_id: int) -> bytes:
    """PUBREC (§3.5), for messages of QoS 2 that an earlier session of this client id left behind."""
    return b"\x50\x02" + packet_id.to_bytes(2, "big")


def pubcomp(packet_id: int) -> bytes:
    """PUBCOMP (§3.7)."""
    return b"\x70\x02" + packet_id.to_bytes(2, "big")


def disconnect(version: int = V5, code: int = 0) -> bytes:
    """DISCONNECT (§3.14)."""
    return _packet(0xE0, bytes([code]) if version == V5 and code else b"")


PINGREQ = b"\xc0\x00"

_REASONS = {
    0x80: Text("unspecified error", "未说明的错误"),
    0x81: Text("malformed packet", "报文格式错误"),
    0x82: Text("protocol error", "违反协议"),
    0x83: Text("implementation specific error", "实现自定义错误"),
    0x84: Text("this protocol version is not supported", "不支持此协议版本"),
    0x85: Text("the client id is not allowed", "客户端标识不被允许"),
    0x86: Text("wrong user name or password", "用户名或密码错误"),
    0x87: Text("not authorised", "未授权"),
    0x88: Text("the broker is unavailable", "消息代理不可用"),
    0x89: Text("the broker is busy", "消息代理繁忙"),
    0x8A: Text("this client is banned", "此客户端被禁止"),
    0x8B: Text("the broker is shutting down", "消息代理正在关闭"),
    0x8C: Text("this authentication method is not supported", "不支持此认证方式"),
    0x8D: Text("keep-alive time-out", "保活超时"),
    0x8E: Text(
        "another client took over this client id; give each hub its own client_id",
        "另一客户端占用了此标识；每个中枢应有自己的 client_id",
    ),
    0x8F: Text("the topic filter is not allowed", "主题过滤器不被允许"),
    0x90: Text("the topic name is not allowed", "主题名不被允许"),
    0x93: Text("more messages in flight than agreed", "在途消息超过约定"),
    0x95: Text("packet too large", "报文过大"),
    0x97: Text("quota exceeded", "超出配额"),
    0x98: Text("an administrator closed the connection", "管理员关闭了连接"),
    0x9A: Text("retained messages are not supported", "不支持保留消息"),
    0x9B: Text("this QoS is not supported", "不支持此 QoS"),
    0x9C: Text("use another server", "请改用其他服务器"),
    0x9D: Text("the server moved", "服务器已迁移"),
    0x9E: Text("shared subscriptions are not supported", "不支持共享订阅"),
    0x9F: Text("too many connections", "连接过多"),
    0xA1: Text("subscription identifiers are not supported", "不支持订阅标识符"),
    0xA2: Text("wildcard subscriptions are not supported", "不支持通配订阅"),
}  # §2.4
_REASONS_311 = {
    1: Text("this protocol version is not supported", "不支持此协议版本"),
    2: Text("the client id is not allowed", "客户端标识不被允许"),
    3: Text("the broker is unavailable", "消息代理不可用"),
    4: Text("wrong user name or password", "用户名或密码错误"),
    5: Text("not authorised", "未授权"),
    0x80: Text("the topic filter is not allowed", "主题过滤器不被允许"),
}  # 3.1.1, table 3.1 and §3.9.3
VERSION_REFUSED = frozenset((0x84, 1))


def reason(code: int, properties: Properties = NO_PROPERTIES) -> Text:
    """A reason code as words, with the broker's own where it gave some."""
    words = _REASONS.get(code) or _REASONS_311.get(code) or Text(f"reason 0x{code:02x}", f"原因码 0x{code:02x}")
    own = " ".join(str(properties[key]) for key in ("reason", "server_reference") if properties.get(key))[:200]
    return Text(f"{words.en} ({own})", f"{words.zh}（{quoted(own).zh}）") if own else words
