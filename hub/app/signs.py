"""What a block of hub.toml stands for, so that `cityhub reload` leaves alone whatever is as before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from hub.options import AdapterConfig, SinkConfig


def sign(config: AdapterConfig | SinkConfig) -> Any:
    """The block but for where it stands, and the content of the files that it names (maps, certificates, secrets, lists)."""
    fields = msgspec.structs.fields(type(config.options)) if config.options is not None else ()
    named = [getattr(config.options, field.name) for field in fields]
    files = [hashlib.sha256(Path(text).read_bytes()).hexdigest() for text in named if _is_file(text)]
    return msgspec.structs.replace(config, line=0), files


def _is_file(text: object) -> bool:
    try:
        return isinstance(text, str) and "/" in text and Path(text).is_file()
    except (OSError, ValueError):
        return False
