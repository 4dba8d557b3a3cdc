"""What a block of hub.toml stands for, so that `cityhub reload` leaves alone whatever is as before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from hub.options import AdapterConfig, SinkConfig


def sign(config: AdapterConfig | SinkConfig) -> Any:
    """The block but for where it stands, and the content of the files that it names (maps, certificates, secrets, lists)."""
    blocks = [config.options, getattr(config, "codec_options", None)]
    named = [value for block in blocks if block is not None for value in msgspec.structs.astuple(block)]
    files = [hashlib.sha256(Path(text).read_bytes()).hexdigest() for text in named if _is_file(text)]
    return msgspec.structs.replace(config, line=0), files


def _is_file(text: object) -> bool:
    try:
        return isinstance(text, str) and "/" in text and Path(text).is_file()
    except (OSError, ValueError):
        return False
