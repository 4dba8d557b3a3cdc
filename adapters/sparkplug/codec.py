"""Sparkplug B for files and consoles: a line is `topic<TAB>hex`; all lines are one connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.lines import LineCodec
from adapters.sparkplug.host import PAYLOAD_LIMIT, Host, View
from adapters.sparkplug.metrics import read_metrics
from adapters.sparkplug.payload import rebirth_command
from hub.model import Fault, FaultKind, Message, Verdict


class SparkplugCodec(LineCodec):
    """`reply` is the line of the NCMD that asks a node for its births, where that is due."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(self._read, limit=2 * PAYLOAD_LIMIT + 65_536)
        source = options.get("map")
        self._host = Host(read_metrics(source) if source else None)

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
