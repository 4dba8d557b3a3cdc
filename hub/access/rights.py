"""Roles, what each may do, and grants: a role limited by area, kind, fleet or device.

A right is what a route asks for; a role is what a person or token is given. Within one grant every limit that is stated must hold;
several grants add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from hub.identity import listed

RIGHTS = ("ingest", "view", "operate", "command", "engineer", "personal", "administer")
"""`command`: tell devices something; `engineer`: quarantine, delivery, history; `administer`: users, audit; `personal`: who drives,
and where vehicles and phones are."""

ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "viewer": frozenset({"view"}),
        "operator": frozenset({"view", "operate"}),
        "fleet-manager": frozenset({"view", "operate", "command", "personal"}),
        "engineer": frozenset({"view", "operate", "command", "engineer", "ingest"}),
        "administrator": frozenset(RIGHTS),
    }
)
"""Roles of people."""

TOKEN_ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ingest": frozenset({"ingest"}),
        "view": frozenset({"view", "personal"}),
        "operate": frozenset({"operate", "command", "engineer", "personal"}),
        "administer": frozenset({"administer"}),
    }
)
"""Roles of tokens. A token has as many of them as its file says."""


class Item(NamedTuple):
    """What a grant is held against: a device, camera, zone or area, by its id, kind, area and fleet."""

    id: str
    kind: str = ""
    area: str = ""
    fleet: str = ""


class Grant(msgspec.Struct, frozen=True):
    """Rights, and where they hold; an empty limit is none. `devices` are ids, or beginnings of ids with a `*`."""

    rights: frozenset[str]
    areas: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        return bool(self.areas or self.kinds or self.fleets or self.devices)

    def covers(self, item: Item) -> bool:
        return (
            (not self.areas or item.area in self.areas)
            and (not self.kinds or item.kind in self.kinds)
            and (not self.fleets or item.fleet in self.fleets)
            and (not self.devices or listed(item.id, self.devices))
        )


class Principal(msgspec.Struct, frozen=True):
    """Who asks: a user, a token, or whoever is on the machine, with everything they were granted."""

    name: str
    kind: str
    """ "user", "token" or "local"."""
    grants: tuple[Grant, ...]

    def has(self, right: str) -> bool:
        """Whether they have it anywhere."""
        return any(right in grant.rights for grant in self.grants)

    def everywhere(self, right: str) -> bool:
        """Whether they have it without any limit."""
        return any(right in grant.rights and not grant.limited for grant in self.grants)

    def may(self, right: str, item: Item) -> bool:
        """Whether they have it for this item."""
        return any(right in grant.rights and grant.covers(item) for grant in self.grants)


EVERYTHING = Grant(frozenset(RIGHTS))


def role_named(text: str) -> str | None:
    """The role as files spell it: `Fleet manager` and `fleet_manager` are `fleet-manager`. None where there is none."""
    name = "-".join(text.lower().replace("_", " ").replace("-", " ").split())
    return name if name in ROLES else None
