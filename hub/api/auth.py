"""Who may do what: a token per integration, compared in constant time.

`tokens.toml`, kept outside of version control:

    [tokens.weather-feed]
    sha256 = "…"            # of the token; or: token = "…"
    roles = ["ingest"]      # ingest, view, operate, administer
    devices = ["gauge-7", "weather-*"]   # optional limits: whose readings it may bring and see, where it may act;
    areas = ["north"]                    # also kinds and fleets
    personal = false                     # sees neither drivers nor where vehicles and phones are

The file is read strictly, because what it leaves out is a right that somebody has or lacks: unknown keys are mistakes, and a file
without a valid token lets nobody in. Only a hub that names no tokens file, and listens on loopback, trusts whoever is on the machine.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from hub.access.rights import EVERYTHING, TOKEN_ROLES, Grant, Principal
from hub.mistakes import Mistake, toml_lines
from hub.secret_files import private_text

ROLES = tuple(TOKEN_ROLES)
DEVICES = 'devices is a list of ids, such as ["gauge-7", "weather-*"]'


class Token(msgspec.Struct, frozen=True):
    """One integration: its name, the SHA-256 of what it shows, and what it may do."""

    name: str
    sha256: str
    roles: tuple[str, ...]
    devices: tuple[str, ...] = ()
    """Whose readings it may bring and see: ids, or beginnings of ids with a *; empty: of all."""
    areas: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    personal: bool = True
    """Whether who may look sees personal data too: tokens of before did, so it is said where one does not."""

    @property
    def principal(self) -> Principal:
        rights = frozenset(right for role in self.roles for right in TOKEN_ROLES[role])
        rights = rights if self.personal else rights - {"personal"}
        return Principal(self.name, "token", (Grant(rights, self.areas, self.kinds, self.fleets, self.devices),))


class _Entry(msgspec.Struct, frozen=True):
    """The keys of `[tokens.NAME]`. What a token may be limited to becomes a key here and a field of `Token`."""

    roles: list[str]
    token: str | None = None
    sha256: str | None = None
    devices: list[str] | None = None
    areas: list[str] | None = None
    kinds: list[str] | None = None
    fleets: list[str] | None = None
    personal: bool = True


LOCAL = Principal("local", "local", (EVERYTHING,))
"""Whoever is on the machine, where the hub asks for no tokens."""


def load_tokens(path: Path) -> tuple[dict[str, Token], list[Mistake]]:
    """The tokens of a file, by name. There is always a token or a mistake; no mistake quotes a secret."""
    file = str(path)
    try:
        text = private_text(path)
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return {}, [
            Mistake(file, int(line[1]) if line else 1, "is not valid TOML; [tokens.NAME] and its keys were meant")
        ]
    except ValueError as error:
        return {}, [Mistake(file, 1, str(error).removeprefix(f"{file} "))]
    return _Reader(file, table, toml_lines(text)).read()


class _Reader:
    def __init__(self, file: str, table: dict[str, Any], lines: Mapping[tuple[Any, ...], int]) -> None:
        self._file, self._table, self._lines = file, table, lines
        self._mistakes: list[Mistake] = []

    def read(self) -> tuple[dict[str, Token], list[Mistake]]:
        for key in self._table:
            if key != "tokens":
                self._wrong((key,), f"unknown key {key!r}; each token is written as [tokens.NAME]")
        entries = self._table.get("tokens", {})
        if not isinstance(entries, dict):
            self._wrong(("tokens",), "tokens is a table; each token is written as [tokens.NAME]")
            entries = {}
        tokens = {name: token for name, entry in entries.items() if (token := self._token(name, entry))}
        self._check_shared(tokens)
        if not tokens and not self._mistakes:
            self._wrong((), "holds no token, so nobody could use the API; write [tokens.NAME] with sha256 and roles")
        return tokens, sorted(self._mistakes, key=lambda mistake: mistake.line)

    def _token(self, name: str, entry: Any) -> Token | None:
        at = ("tokens", name)
        known = len(self._mistakes)
        if not name.strip() or not name.isprintable() or len(name) > 100:
            self._wrong(at, f"{name!r} is no name for a token; the log records it, so it is a short text")
        if not isinstance(entry, dict):
            self._wrong(at, f"{name} is a table: write [tokens.{name}] and its keys below")
            return None
        fields = _Entry.__struct_fields__
        for key in entry:
            if key not in fields:
                near = get_close_matches(key, fields, n=1)
                hint = f"was {near[0]!r} meant?" if near else f"known here: {', '.join(fields)}"
                self._wrong((*at, key), f"[tokens.{name}] has the unknown key {key!r}; {hint}")
        try:
            read = msgspec.convert(entry, _Entry)
        except msgspec.ValidationError as error:
            told = DEVICES if "`$.devices" in str(error) else _sentence(error)
            self._wrong(at, f"[tokens.{name}]: {told}")
            return None
        if wrong := [role for role in read.roles if role not in ROLES] or not read.roles:
            told = f"has the unknown role {wrong[0]!r}" if isinstance(wrong, list) else "has no roles"
            self._wrong((*at, "roles"), f"[tokens.{name}] {told}; some of {', '.join(ROLES)} were meant")
        if read.devices is not None and not (read.devices and all(one.strip() for one in read.devices)):
            self._wrong((*at, "devices"), f"[tokens.{name}]: {DEVICES}")
        for limit in ("areas", "kinds", "fleets"):
            named = getattr(read, limit)
            if named is not None and not (named and all(one.strip() for one in named)):
                self._wrong(
                    (*at, limit), f"[tokens.{name}]: {limit} is a list of names; leave it out where it is no limit"
                )
        digest = self._digest(name, read)
        devices, areas, kinds, fleets = (
            tuple(given or ()) for given in (read.devices, read.areas, read.kinds, read.fleets)
        )
        if not digest or len(self._mistakes) > known:
            return None
        return Token(name, digest, tuple(read.roles), devices, areas, kinds, fleets, read.personal)

    def _digest(self, name: str, read: _Entry) -> str:
        at = ("tokens", name)
        if (read.token is None) == (read.sha256 is None):
            self._wrong(at, f"[tokens.{name}] needs token or sha256, one of them")
        elif read.sha256 is not None:
            if re.fullmatch(r"[0-9a-fA-F]{64}", read.sha256):
                return read.sha256.lower()
            self._wrong((*at, "sha256"), f"[tokens.{name}]: a sha256 has 64 hexadecimal digits")
        elif read.token is not None:
            if read.token and read.token == read.token.strip() and read.token.isascii() and read.token.isprintable():
                return hashlib.sha256(read.token.encode()).hexdigest()
            self._wrong((*at, "token"), f"[tokens.{name}]: a token is printable ASCII text without blanks around it")
        return ""

    def _check_shared(self, tokens: Mapping[str, Token]) -> None:
        seen: dict[str, str] = {}
        for token in tokens.values():
            if token.sha256 in seen:
                self._wrong(
                    ("tokens", token.name),
                    f"[tokens.{token.name}] has the same secret as [tokens.{seen[token.sha256]}]; give each its own",
                )
            seen[token.sha256] = token.name

    def _wrong(self, at: tuple[Any, ...], message: str) -> None:
        while at and at not in self._lines:
            at = at[:-1]
        self._mistakes.append(Mistake(self._file, self._lines.get(at, 1), message))


def _sentence(error: msgspec.ValidationError) -> str:
    what, _, where = str(error).partition(" - at `$.")
    return f"{where.rstrip('`')}: {what[:1].lower()}{what[1:]}" if where else f"{what[:1].lower()}{what[1:]}"


def who(authorization: str | None, tokens: Mapping[str, Token]) -> Token | None:
    """The integration behind an `Authorization: Bearer …` header. Every token is compared, always, in constant time."""
    scheme, _, shown = (authorization or "").partition(" ")
    digest = hashlib.sha256(shown.strip().encode("utf-8", "surrogateescape")).hexdigest()
    found: Token | None = None
    for token in tokens.values():
        if hmac.compare_digest(token.sha256, digest) and scheme.lower() == "bearer":
            found = token
    return found
