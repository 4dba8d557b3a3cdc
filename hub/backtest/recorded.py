"""Opening a recording for `replay` and `backtest`: CSV by its layout or map, raw frames by their protocol's codec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hub.app.codecs import codec_options
from hub.app.plugins import Plugins
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
    try:
        options = codec_options(plugin, {"map": str(mapping)} if mapping else {})
        codec = partial(plugin.codec, options)
        codec()
    except (OSError, ValueError) as error:
        raise RecordingError(str(error)) from None
    messages = read_files(files, codec=codec, binary=plugin.binary, received=received, count=rows)
    return Recording(messages, plugin.kind, rows)
