"""HTTP digest in SIP (RFC 3261 §22, RFC 7616): answers to a challenge. Pure; the client nonce is an argument."""

from __future__ import annotations

import hashlib
import re

import msgspec

ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256"}


class Challenge(msgspec.Struct, frozen=True):
    """WWW-Authenticate, read."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: str = ""
    opaque: str = ""
    stale: bool = False


def read(header: str) -> Challenge | None:
    """The challenge, None where it is none that can be answered."""
    if not header.lower().startswith("digest "):
        return None
    found = dict(
        (name.lower(), quoted or plain)
        for name, quoted, plain in re.findall(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^",\s]*))', header[7:])
    )
    algorithm = found.get("algorithm", "MD5").upper() or "MD5"
    offered = [part.strip() for part in found.get("qop", "").split(",") if part.strip()]
    if "nonce" not in found or algorithm not in ALGORITHMS or (offered and "auth" not in offered):
        return None
    return Challenge(
        found.get("realm", ""), found["nonce"], algorithm, "auth" if offered else "", found.get("opaque", ""),
        found.get("stale", "").lower() == "true",
    )  # fmt: skip


def answer(challenge: Challenge, username: str, password: str, method: str, uri: str, count: int, cnonce: str) -> str:
    """The Authorization header. `count` is how often this nonce has been used, from 1."""

    def digest(text: str) -> str:
        return hashlib.new(ALGORITHMS[challenge.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    secret = digest(f"{username}:{challenge.realm}:{password}")
    what = digest(f"{method}:{uri}")
    parts = [
        f'username="{username}"', f'realm="{challenge.realm}"', f'nonce="{challenge.nonce}"', f'uri="{uri}"',
        f"algorithm={challenge.algorithm}",
    ]  # fmt: skip
    if challenge.qop:
        parts += [f"qop={challenge.qop}", f"nc={count:08x}", f'cnonce="{cnonce}"']
        response = digest(f"{secret}:{challenge.nonce}:{count:08x}:{cnonce}:{challenge.qop}:{what}")
    else:
        response = digest(f"{secret}:{challenge.nonce}:{what}")
    parts.append(f'response="{response}"')
    if challenge.opaque:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Digest " + ",".join(parts)
