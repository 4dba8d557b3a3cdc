"""The hubs that may forward to this one: who each is, for whom it may speak, and how much it may send.

`peers.toml`, kept outside of version control:

    [peers.district-a]
    sha256 = "…"                 # of its token; or: token = "…"
    # origins = ["village-3"]    # hubs below it; without this any name that is no other peer's
    # items_per_s_max = 2000
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from hub.forwarding import hub_name_problem
from hub.moment import SECOND
from hub.secret_files import private_table

TOKEN_MIN = 16
"""Characters of a token."""
BURST_S = 10.0
"""A peer may send so many seconds' worth at once, as one that catches up after an outage does."""


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One hub."""

    name: str
    sha256: str
    origins: tuple[str, ...] = ()
    items_per_s_max: float = 2_000.0
    """Readings and changes a second; above it the peer is told to wait (429)."""


class Peers:
    """All of them, and what each has sent lately. One for all connections of an adapter."""

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._spent: dict[str, tuple[int, float]] = {}
        """By peer: when it was last heard (ns), and how far into its burst it was then."""

    def of(self, authorization: str) -> Peer | None:
        """Whose `Authorization: Bearer …` that is. Every token is compared, always, in constant time."""
        scheme, _, shown = authorization.partition(" ")
        digest = hashlib.sha256(shown.strip().encode("utf-8", "replace")).hexdigest()
        found = None
        for peer in self._peers.values():
            if hmac.compare_digest(peer.sha256, digest) and scheme.lower() == "bearer":
                found = peer
        return found

    def speaks_for(self, peer: Peer, origin: str) -> bool:
        """Whether it may forward what began at `origin`: itself, the hubs listed, or names that are no other peer's."""
        if origin == peer.name or origin in peer.origins:
            return True
        if peer.origins:
            return False
        return origin not in self._peers and not any(origin in other.origins for other in self._peers.values())

    def wait_s(self, peer: Peer, now: int | None) -> float:
        """Seconds until this peer may send again, 0.0 where it may now. Without a clock there is no limit."""
        return 0.0 if now is None else max(0.0, self._debt(peer, now) / peer.items_per_s_max - BURST_S)

    def spend(self, peer: Peer, items: int, now: int | None) -> None:
        if now is not None:
            self._spent[peer.name] = (now, self._debt(peer, now) + items)

    def _debt(self, peer: Peer, now: int) -> float:
        at, spent = self._spent.get(peer.name, (now, 0.0))
        return max(0.0, spent - max(0, now - at) / SECOND * peer.items_per_s_max)


def load_peers(file: str, here: str) -> Peers:
    """The peers of the hub `here`. Raises ValueError with a sentence that repeats no secret."""
    table = private_table(file, 'tables such as [peers.district-a] with token = "…" or sha256 = "…"', "peers_file")
    named = table.get("peers")
    if not isinstance(named, dict) or not named or set(table) != {"peers"}:
        raise ValueError(f'{file}: tables such as [peers.district-a] with token = "…" or sha256 = "…" were meant')
    peers = {name: _peer(file, name, entry) for name, entry in named.items()}
    if here in peers:
        raise ValueError(f"{file}: [peers.{here}] is this hub's own name; a hub does not forward to itself")
    digests = [peer.sha256 for peer in peers.values()]
    if len(set(digests)) < len(digests):
        raise ValueError(f"{file}: two peers have the same token; each needs its own, or nobody can tell them apart")
    return Peers(peers)


def _peer(file: str, name: str, entry: object) -> Peer:
    where = f"{file}: [peers.{name}]"
    if problem := hub_name_problem(name):
        raise ValueError(f"{where}: {problem}")
    if not isinstance(entry, dict) or ("token" in entry) == ("sha256" in entry):
        raise ValueError(f"{where} needs token or sha256")
    given = dict(entry)
    token = given.pop("token", None)
    if token is not None:
        if not isinstance(token, str) or len(token) < TOKEN_MIN:
            raise ValueError(f"{where}: its token is a text of {TOKEN_MIN} characters or more")
        given["sha256"] = hashlib.sha256(token.encode()).hexdigest()
    try:
        peer = msgspec.convert({"name": name, **given}, Peer)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", peer.sha256):
        raise ValueError(f'{where}: sha256 has 64 digits: printf %s "$TOKEN" | sha256sum')
    if not peer.items_per_s_max > 0:
        raise ValueError(f"{where}: items_per_s_max must be more than 0")
    for origin in peer.origins:
        if problem := hub_name_problem(origin):
            raise ValueError(f"{where}: origins: {problem}")
    return msgspec.structs.replace(peer, sha256=peer.sha256.lower())
