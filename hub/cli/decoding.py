"""`cityhub decode`: one frame a line in, one JSON object a line out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import IO, Any

from hub.app.codecs import codec_of
from hub.app.decoded import decoded_by
from hub.app.plugins import Plugins
from hub.cli.output import Problem, json_line
from hub.model import Fault, FaultKind
from hub.moment import from_text
from hub.ports import Codec
from hub.recording import split_received

NAMES = "ais coap-json senml-json senml-cbor modbus-tcp modbus-rtu nmea0183 jt808 gb32960 teltonika gt06 osmand hj212 sl651 gb26875 sparkplug json"

JSON_LINES = {"json", "senml-json", "coap-json", "sparkplug"}
"""Protocols whose own strings use the backslash."""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "decode",
        help="decode frames, one a line, into JSON",
        description="Decode frames of a protocol: one a line in (hex for binary protocols, text otherwise), one JSON object a line out.",
        epilog=f"Protocols: {NAMES}",
    )
    parser.set_defaults(run=decode)
    parser.add_argument("protocol")
    parser.add_argument("file", nargs="?", default="-", help="a file of frames; - is standard input")
    parser.add_argument(
        "--received", metavar="TIME", help="receive time, for frames that carry no time or only part of one"
    )
    parser.add_argument("--map", metavar="FILE", help="register map (modbus) or field map (json, sparkplug)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the protocol's codec as in hub.toml, such as zone=UTC",
    )
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)


def decode(options: argparse.Namespace) -> int:
    codec, binary = _codec(options)
    try:
        received = from_text(options.received) if options.received else None
    except ValueError as error:
        raise Problem(f"--received: {error}", 2) from None
    clean = True
    escapes = not binary and options.protocol not in JSON_LINES
    with _lines(options.file) as lines:
        for number, line in enumerate(lines, 1):
            text = line.rstrip("\r\n")
            at, frame = split_received(text, received)
            shown = decode_line(codec, unescaped(frame) if escapes else frame, binary, at)
            clean = clean and not shown["faults"]
            json_line({"line": number, **shown})
    return 0 if clean else 1


def decode_line(codec: Codec, text: str, binary: bool, received: int | None) -> dict[str, Any]:
    """One line decoded: what every frame in it holds, together, and the answer the device would hear had it been stored."""
    data = frame_of(text, binary)
    if isinstance(data, Fault):
        fault = {"kind": data.kind, "detail": data.detail}
        return {"readings": [], "faults": [fault], "reply": None, "detail": {}, "device": None}
    return decoded_by(codec, data, binary, received)


def unescaped(text: str) -> str:
    """A text frame with the line breaks that it writes as \\r\\n."""
    return text.replace("\\r", "\r").replace("\\n", "\n")


def frame_of(text: str, binary: bool) -> bytes | Fault:
    """The bytes of one line."""
    if not binary:
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text)
    except ValueError:
        return Fault(FaultKind.SYNTAX, f"{text[:60]!r} is not a line of hex digits", text.encode("utf-8", "replace"))


def _codec(options: argparse.Namespace) -> tuple[Codec, bool]:
    plugins = Plugins()
    if options.protocol not in plugins:
        raise Problem(f"unknown protocol {options.protocol!r}; known are {', '.join(NAMES.split())}", 2)
    plugin = plugins[options.protocol]
    given: dict[str, str] = {}
    for item in options.option:
        key, equals, value = item.partition("=")
        if not equals:
            raise Problem(f"--option {item!r}: KEY=VALUE was meant", 2)
        given[key] = value
    if options.map:
        given["map"] = options.map
    try:
        return codec_of(plugin, given), plugin.binary
    except (OSError, ValueError) as error:
        raise Problem(str(error), 2) from None


@contextlib.contextmanager
def _lines(name: str) -> Iterator[IO[str]]:
    if name == "-":
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
        yield sys.stdin
        return
    try:
        with open(name, encoding="utf-8-sig", errors="surrogateescape") as file:
            yield file
    except OSError as error:
        raise Problem(f"{name} cannot be read: {error.strerror}", 2) from None
