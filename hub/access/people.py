"""People for whom the city's identity provider vouches (OpenID Connect): who they are, and what they may here.

A name at a provider is often the person's own to choose, so it opens nothing by itself: rights come from groups, and those of a user
of this hub only to the `subject` that stands beside them in `users.toml`. Nobody acts under a name that is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.access.rights import role_named
from hub.access.roll import Roll
from hub.access.users import NAME, RoleGrant, User
from hub.options import OidcGroup, OidcOptions
from hub.whole_file import make_folder, read, replace

FILE = "provider-names.json"
"""In the data folder: name → subject of who came under it first."""
SUBJECT_MAX = 255
"""Characters: OpenID Connect Core 1.0, section 2."""


class Person(msgspec.Struct, frozen=True):
    """Somebody as the provider describes them: `subject` (its `sub`, never given to another), name, name for people, groups."""

    subject: str
    name: str
    title: str
    groups: tuple[str, ...]


class NotAdmitted(Exception):
    """The provider knows them, and this hub lets them do nothing; the text says why."""


def person_of(claims: Mapping[str, Any], options: OidcOptions) -> Person:
    """Whom these claims describe. Raises `NotAdmitted` where they name nobody."""
    subject, named = claims.get("sub"), _claim(claims, options.user_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX:
        raise NotAdmitted("the identity provider names no subject")
    if not isinstance(named, str):
        raise NotAdmitted(f"the identity provider says no {options.user_claim!r}, by which people are named here")
    if options.user_claim == "email" and claims.get("email_verified") is not True:
        raise NotAdmitted("the identity provider has not verified this e-mail address")
    name = named.lower()
    if not NAME.fullmatch(name):
        raise NotAdmitted(
            f"{named[:100]!r} cannot be a name here: letters, digits and . _ @ - were meant, at most 64; another user_claim may do"
        )
    told = claims.get("name")
    title = told if isinstance(told, str) and told.isprintable() and len(told) <= 100 else ""
    return Person(subject, name, title, _groups(_claim(claims, options.groups_claim)))


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of that very name, else the way along its dots."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _groups(told: Any) -> tuple[str, ...]:
    """One text or a list of them; anything else names no group."""
    if isinstance(told, str):
        return (told,)
    return tuple(dict.fromkeys(one for one in told if isinstance(one, str))) if isinstance(told, list) else ()


def grant_of(group: OidcGroup) -> RoleGrant:
    """What its members may, as users.toml would have it: a group has every key that a grant has."""
    told = {name: getattr(group, name) for name in RoleGrant.__struct_fields__}
    return RoleGrant(**{**told, "role": role_named(group.role) or group.role})


class People:
    """Whom the provider's word lets in. `reserved`: names of tokens, at this moment, which are nobody's."""

    def __init__(self, options: OidcOptions, roll: Roll, reserved: Callable[[], Collection[str]], data: Path) -> None:
        self._roll, self._reserved, self._data = roll, reserved, data
        self._grants = [(group.group, grant_of(group)) for group in options.groups]
        self._names = _kept(data)

    def user(self, person: Person) -> User:
        """Who they are here, at this moment. Raises `NotAdmitted`."""
        users = self._roll.users
        own = next((user for user in users.values() if user.subject == person.subject), None)
        name = own.user if own else person.name
        if own is None:
            self._free(name, person.subject, users)
        elif own.disabled:
            raise NotAdmitted(f"the user {name!r} is disabled here")
        of_groups = tuple(grant for group, grant in self._grants if group in person.groups)
        grants = (*(own.grants if own else ()), *of_groups)
        if not grants:
            raise NotAdmitted(f"none of the groups of {name!r} may do anything here; [[oidc.groups]] says which may")
        return User(name, person.title or (own.name if own else ""), grants, subject=person.subject)

    def _free(self, name: str, subject: str, users: Mapping[str, User]) -> None:
        """Raises `NotAdmitted` where the name is that of somebody else."""
        if name in users and users[name].disabled:
            raise NotAdmitted(f"the user {name!r} is disabled here")
        if name in users:
            raise NotAdmitted(
                f"{name!r} is a user of this hub; where it is the same person, subject = {subject!r} beside them in users.toml says so"
            )
        if name in self._reserved():
            raise NotAdmitted(f"{name!r} is the name of a token of this hub")
        if self._names.get(name, subject) != subject:
            raise NotAdmitted(
                f"somebody else came as {name!r} before; an administrator removes that line of {FILE} where the name has passed on"
            )

    def remember(self, person: Person) -> None:
        """From now on the name is theirs, if no user of this hub has that subject. Raises OSError where it cannot be kept."""
        own = any(user.subject == person.subject for user in self._roll.users.values())
        if own or self._names.get(person.name) == person.subject:
            return
        self._names = {**_kept(self._data), person.name: person.subject}
        make_folder(self._data)
        replace(self._data / FILE, msgspec.json.format(msgspec.json.encode(self._names)), 0o600)


def _kept(data: Path) -> dict[str, str]:
    """Name → subject."""
    return read(data / FILE, lambda text: msgspec.json.decode(text, type=dict[str, str]), {})
