"""Sparkplug B for files and consoles: a line is `topic<TAB>hex`; all lines are one connection."""

from __future__ import annotations

import msgspec

from adapters.lines import LineCodec
from adapters.sparkplug.host import PAYLOAD_LIMIT, Host, View
from adapters.sparkplug.metrics import read_metrics
from adapters.sparkplug.payload import rebirth_command
from hub.model import Fault, FaultKind, Message, Verdict


class SparkplugCodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    """What the metrics of nodes mean."""

    map: str = ""
    """A TOML file with the table [metrics]; a name that is not in it is looked up in the vocabulary by its last part."""


class SparkplugCodec(LineCodec):
    """`reply` is the line of the NCMD that asks a node for its births, where that is due."""

    def __init__(self, options: SparkplugCodecOptions) -> None:
        super().__init__(self._read, limit=2 * PAYLOAD_LIMIT + 65_536)
        self._host = Host(read_metrics(options.map) if options.map else None)

    def _read(self, line: bytes, received_at: int | None) -> Message:
        topic, tab, text = line.partition(b"\t")
        try:
            data = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            tab = b""
        if not tab:
            return Message(
                [], [Fault(FaultKind.FRAME, "a line is the topic, a tab and the payload in hex", line)], raw=line
            )
        return self._host.read(topic.decode("utf-8", "replace"), data, received_at)

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        if isinstance(message.body, View) and message.body.rebirth:
            return f"{message.body.rebirth}\t{rebirth_command(now // 1_000_000).hex()}".encode()
        return None
