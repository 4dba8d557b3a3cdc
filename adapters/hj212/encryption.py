"""HJ 212-2025: the text between the `&&` of CP, encrypted with the station's SM4 key.

SM4 (GB/T 32907-2016) in ECB mode without padding: every whole block of 16 bytes is written as `0xNN` in one list `{0xE4,0x3E,...}`; what
is left, under 16 bytes, stands behind the list in clear. Length and CRC of the frame are those of the plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hub.secret_files import private_table

BLOCK_BYTES = 16
_LIST = re.compile(rb"\{((?:0[xX][0-9A-Fa-f]{2},?)+)\}")


def looks_encrypted(content: bytes) -> bool:
    """Whether the text between the `&&` begins as an encrypted one does."""
    return content.startswith((b"{0x", b"{0X"))


def decrypted(content: bytes, key: bytes) -> bytes | None:
    """The plain text; None where these are no whole blocks, or what comes out is no text."""
    found = _LIST.match(content)
    if found is None:
        return None
    secret = bytes(int(item, 16) for item in found[1].split(b",") if item)
    if len(secret) % BLOCK_BYTES:
        return None
    opened = Cipher(algorithms.SM4(key), modes.ECB()).decryptor()
    return opened.update(secret) + opened.finalize() + content[found.end() :]


def read_keys(path: str | Path) -> Mapping[str, bytes]:
    """MN -> key of 16 bytes, from a TOML file of `"MN" = "32 hexadecimal digits"`. Raises ValueError with a sentence."""
    given = private_table(path, '"MN" = "32 hexadecimal digits"', "keys_file")
    keys: dict[str, bytes] = {}
    for mn, text in given.items():
        try:
            key = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            key = b""
        if len(key) != BLOCK_BYTES:
            raise ValueError(f"{path}: the key of {mn!r} is not 32 hexadecimal digits")
        keys[mn] = key
    return keys
