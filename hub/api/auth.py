"""Who may do what: a token per integration, compared in constant time.

`tokens.toml`, kept outside of version control:

    [tokens.weather-feed]
    sha256 = "…"            # of the token; or: token = "…"
    roles = ["ingest"]      # ingest, view, operate
    devices = ["gauge-7", "weather-*"]   # optional: whose readings it may bring

A hub that listens on loopback only and has no tokens file trusts whoever is on the machine.
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hub.config import Mistake

ROLES = ("ingest", "view", "operate")


class Token(msgspec.Struct, frozen=True):
    """One integration: its name, the SHA-256 of what it shows, and what it may do."""

    name: str
    sha256: str
    roles: tuple[str, ...]
    devices: tuple[str, ...] = ()
    """Whose readings it may bring: ids, or beginnings of ids with a *; empty: of all."""


LOCAL = Token("local", "", ROLES)


def load_tokens(path: Path) -> tuple[dict[str, Token], list[Mistake]]:
    """The tokens of a file, by name."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        return {}, [Mistake(str(path), 1, f"cannot be read as TOML: {error}")]
    tokens: dict[str, Token] = {}
    mistakes: list[Mistake] = []
    for name, entry in table.get("tokens", {}).items():
        if not isinstance(entry, dict) or not ({"token", "sha256"} & entry.keys()):
            mistakes.append(Mistake(str(path), 1, f"[tokens.{name}] needs token or sha256"))
            continue
        roles = tuple(entry.get("roles", ()))
        wrong = [role for role in roles if role not in ROLES]
        if wrong or not roles:
            mistakes.append(
                Mistake(str(path), 1, f"[tokens.{name}] has roles {list(roles)}; some of {', '.join(ROLES)} were meant")
            )
            continue
        devices = entry.get("devices", [])
        if (
            not isinstance(devices, list)
            or not all(isinstance(one, str) and one for one in devices)
            or ("devices" in entry and not devices)
        ):
            mistakes.append(
                Mistake(str(path), 1, f'[tokens.{name}] devices is a list of ids, such as ["gauge-7", "weather-*"]')
            )
            continue
        digest = entry.get("sha256") or hashlib.sha256(str(entry["token"]).encode()).hexdigest()
        tokens[name] = Token(name, digest.lower(), roles, tuple(devices))
    return tokens, mistakes


def who(authorization: str | None, tokens: Mapping[str, Token]) -> Token | None:
    """The integration behind an `Authorization: Bearer …` header. Every token is compared, always, in constant time."""
    if not tokens:
        return LOCAL
    scheme, _, shown = (authorization or "").partition(" ")
    digest = hashlib.sha256(shown.strip().encode()).hexdigest()
    found: Token | None = None
    for token in tokens.values():
        if hmac.compare_digest(token.sha256, digest) and scheme.lower() == "bearer":
            found = token
    return found
