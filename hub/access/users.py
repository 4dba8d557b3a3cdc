"""The users of a city: `users.toml`, kept with the city folder so that a change of rights can be reviewed like code.

    [users.wang]
    name = "Wang Li"
    [[users.wang.grants]]
    role = "operator"           # viewer, operator, fleet-manager, engineer, administrator
    areas = ["north"]           # optional limits: areas, kinds, fleets, devices
    personal = true             # also who drives, and where vehicles and phones are

`subject` beside `name` is the `sub` of the same person at the city's identity provider (`hub.access.people`).
It holds no secret: passwords are argon2 hashes in the data folder (`hub.access.passwords`). The file is read strictly, as what it leaves
out is a right that somebody has or lacks.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from hub.access.rights import ROLES, Grant, Principal, role_named
from hub.mistakes import Mistake, toml_lines
from hub.whole_file import sync_folder

FILE = "users.toml"
"""Its name in the city folder where `[api] users_file` names no other."""
LIMITS = ("areas", "kinds", "fleets", "devices")
NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
HEAD = "Who may use this hub, and what of it. `cityhub users` edits this file; passwords are not in it."


class RoleGrant(msgspec.Struct, frozen=True):
    """One `[[users.NAME.grants]]`."""

    role: str
    areas: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    personal: bool = False
    """The right `personal` too, where the role does not have it."""

    @property
    def rights(self) -> frozenset[str]:
        return ROLES[self.role] | {"personal"} if self.personal else ROLES[self.role]

    @property
    def words(self) -> str:
        """ "operator of areas north with personal data" """
        limits = [f"{limit} {', '.join(getattr(self, limit))}" for limit in LIMITS if getattr(self, limit)]
        return (
            self.role
            + (f" of {' and '.join(limits)}" if limits else "")
            + (" with personal data" if self.personal else "")
        )


class User(msgspec.Struct, frozen=True):
    """One user: the name to log in with, the name for people, and the grants."""

    user: str
    name: str = ""
    grants: tuple[RoleGrant, ...] = ()
    disabled: bool = False
    subject: str = ""
    """Who they are for the identity provider (its claim `sub`); "": nobody there is this user."""

    @property
    def principal(self) -> Principal:
        grants = tuple(Grant(item.rights, item.areas, item.kinds, item.fleets, item.devices) for item in self.grants)
        return Principal(self.user, "user", grants)


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    disabled: bool = False
    subject: str = ""
    grants: tuple[RoleGrant, ...] = ()


def load_users(path: Path) -> tuple[dict[str, User], list[Mistake]]:
    """The users of a file, by name, and everything that is wrong with it."""
    file = str(path)
    try:
        text = path.read_text("utf-8-sig")
        table = tomllib.loads(text)
    except OSError as error:
        return {}, [Mistake(file, 1, f"cannot be read ({error.strerror}); `cityhub users add` makes it")]
    except UnicodeDecodeError:
        return {}, [Mistake(file, 1, "is not UTF-8 text")]
    except tomllib.TOMLDecodeError as error:
        return {}, [Mistake(file, 1, f"is not valid TOML ({error}); [users.NAME] and its keys were meant")]
    lines = toml_lines(text)
    mistakes: list[Mistake] = []

    def wrong(at: tuple[Any, ...], message: str) -> None:
        while at and at not in lines:
            at = at[:-1]
        mistakes.append(Mistake(file, lines.get(at, 1), message))

    users: dict[str, User] = {}
    for key in table.keys() - {"users"}:
        wrong((key,), f"unknown key {key!r}; each user is written as [users.NAME]")
    entries = table.get("users", {})
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        at = ("users", name)
        if not NAME.fullmatch(name):
            wrong(at, f"{name!r} is no name to log in with: small letters, digits and . _ @ - were meant, at most 64")
            continue
        try:
            read = msgspec.convert(entry, _Entry)
        except msgspec.ValidationError as error:
            wrong(at, f"[users.{name}]: {_sentence(error)}")
            continue
        grants, told = _grants(read.grants)
        for sentence in told:
            wrong(at, f"[users.{name}]: {sentence}")
        if isinstance(entry, dict):
            known = RoleGrant.__struct_fields__
            for odd in {key for block in entry.get("grants", ()) for key in block if key not in known}:
                near = get_close_matches(odd, known, n=1)
                wrong(at, f"[users.{name}]: a grant has the unknown key {odd!r}" + (f"; was {near[0]!r} meant?" if near else ""))  # fmt: skip
        if same := next((user.user for user in users.values() if read.subject and user.subject == read.subject), None):
            wrong(
                at,
                f"[users.{name}] has the subject of [users.{same}]; somebody at the identity provider is one user here",
            )
        users[name] = User(name, read.name, grants, read.disabled, read.subject)
    if not isinstance(entries, dict):
        wrong(("users",), "users is a table; each user is written as [users.NAME]")
    return (users if not mistakes else {}), sorted(mistakes, key=lambda mistake: mistake.line)


def _grants(read: tuple[RoleGrant, ...]) -> tuple[tuple[RoleGrant, ...], list[str]]:
    found, told = [], []
    for grant in read:
        role = role_named(grant.role)
        if role is None:
            told.append(f"there is no role {grant.role!r}; {', '.join(ROLES)} are there")
            continue
        for limit in LIMITS:
            if any(not word.strip() for word in getattr(grant, limit)):
                told.append(f"{limit} has an empty name; leave {limit} out where it is no limit")
        found.append(msgspec.structs.replace(grant, role=role))
    return tuple(found), told


def check(user: User) -> None:
    """Raises ValueError with a sentence where this user could not be read again."""
    if not NAME.fullmatch(user.user):
        raise ValueError(
            f"{user.user!r} is no name to log in with: small letters, digits and . _ @ - were meant, at most 64"
        )
    if not user.name.isprintable() or len(user.name) > 100:
        raise ValueError("the name for people is a short text on one line")
    told = _grants(user.grants)[1]
    if told:
        raise ValueError("; ".join(told))


def save_user(path: Path, user: User) -> None:
    """Write one user into the file, as it says; everything else in it, comments too, stays as it is.

    Raises ValueError where the file or the user cannot be used, OSError where it cannot be written.
    """
    check(user)
    document = tomlkit.parse(path.read_text("utf-8-sig")) if path.exists() else tomlkit.document().add(tomlkit.comment(HEAD))  # fmt: skip
    if "users" not in document:
        document["users"] = tomlkit.table(is_super_table=True)
    table = document["users"].get(user.user)
    if table is None:
        table = tomlkit.table()
        document["users"][user.user] = table
    if user.name or "name" in table:
        table["name"] = user.name
    if user.disabled:
        table["disabled"] = True
    else:
        table.pop("disabled", None)
    table.pop("grants", None)
    if user.grants:
        blocks = tomlkit.aot()
        for grant in user.grants:
            block = tomlkit.table()
            block["role"] = grant.role
            for limit in LIMITS:
                if getattr(grant, limit):
                    block[limit] = list(getattr(grant, limit))
            if grant.personal:
                block["personal"] = True
            blocks.append(block)
        table["grants"] = blocks
    text = tomlkit.dumps(document)
    _replace_text(path, text)


def _replace_text(path: Path, text: str) -> None:
    """As a whole or not at all, with the permissions it had."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, "utf-8")
    fresh.chmod(mode)
    if load_users(fresh)[1]:
        told = load_users(fresh)[1][0].message
        fresh.unlink()
        raise ValueError(f"{path} is left as it is, because it could not be read afterwards: {told}")
    with fresh.open("rb") as file:
        os.fdatasync(file.fileno())
    fresh.rename(path)
    sync_folder(path.parent)


def _sentence(error: msgspec.ValidationError) -> str:
    what, _, where = str(error).partition(" - at `$")
    place = where.rstrip("`").lstrip(".")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else f"{what[:1].lower()}{what[1:]}"


def users_path(folder: Path, named: str | None) -> Path:
    """Where the users of a city stand."""
    return Path(named) if named else folder / FILE


def able(users: Mapping[str, User], right: str) -> list[str]:
    """Users with that right somewhere, who are not disabled."""
    return [name for name, user in users.items() if not user.disabled and user.principal.has(right)]
