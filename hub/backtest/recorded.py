"""Opening a recording for `replay` and `backtest`: CSV by its layout or map, raw frames by their protocol's codec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hub.app.plugins import Plugins
from hub.ports import Codec
from hub.recording import Recorded, RecordingError, RowCount, load_map, read_files


class Recording(NamedTuple):
    """What the files hold, in order of arrival."""

    messages: Iterator[Recorded]
    """Raises `RecordingError` where a file turns out not to be readable."""
    kind: str
    """The kind of device that the protocol brings, if any."""
    rows: RowCount
    """Counts on while `messages` is read."""


def open_recording(
    files: Sequence[Path], protocol: str | None = None, mapping: Path | None = None, received: int | None = None
) -> Recording:
    """`received` (ns) dates frames that carry no time. Raises `RecordingError`."""
    rows = RowCount()
    if protocol is None:
        return Recording(read_files(files, load_map(mapping) if mapping else None, count=rows), "", rows)
    plugins = Plugins()
    plugin = plugins.get(protocol)
    if plugin is None or plugin.codec is None:
        raise RecordingError(f"unknown protocol {protocol!r}")
    make_codec = plugin.codec
    options = {"map": str(mapping)} if mapping else {}

    def codec() -> Codec:
        return make_codec(options)

    messages = read_files(files, codec=codec, binary=plugin.binary, received=received, count=rows)
    return Recording(messages, plugin.kind, rows)
