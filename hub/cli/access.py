"""`cityhub users` and `cityhub audit`: who may use a hub, and what was done with it.

With a city folder both work on the files themselves, beside a running hub, which reads users again as soon as they change. With `--hub` they ask the hub, which
notes in its audit who asked.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from hub.access import audit as records
from hub.access import passwords
from hub.access.audit import Act, Audit, AuditUnavailable
from hub.access.rights import ROLES, role_named
from hub.access.users import LIMITS, RoleGrant, User, load_users, save_user, users_path
from hub.api.questions import Granted
from hub.cli.client import Way, takes_hub, way_to
from hub.cli.output import Problem, command, cut, json_line, listing, note
from hub.cli.parsing import FAR, Parser
from hub.cli.times import wall
from hub.clock import now
from hub.options import Config
from hub.secret_files import private_text

USERS = ("add", "grant", "revoke", "disable", "enable", "password", "list")
AUDIT = ("show", "verify", "export")
SHOWN = 100


def add(commands: Any) -> None:
    parser = command(commands, "users", users, "who may log in to a hub, and what they may do", lists=True)
    _dir_and_action(parser, USERS)
    parser.add_argument("user", nargs="?", default="", help="the name to log in with")
    parser.add_argument("--role", help=f"add, grant: {', '.join(ROLES)}")
    for limit in LIMITS:
        parser.add_argument(f"--{limit[:-1]}", dest=limit, action="append", default=[], help=f"add, grant: only of this {limit[:-1]}; again for more")  # fmt: skip
    parser.add_argument(
        "--personal", action="store_true", help="add, grant: also who drives, and where vehicles and phones are"
    )
    parser.add_argument("--name", help="add: the name for people")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument(
        "--password-file", metavar="FILE", help="add, password: its first line; - is the standard input"
    )
    secret.add_argument("--password-stdin", action="store_const", const="-", dest="password_file", help="the same as --password-file -")  # fmt: skip
    secret.add_argument("--password-env", metavar="NAME", help="add, password: what this environment variable holds")
    secret.add_argument("--no-password", action="store_true", help="add: set none now")

    parser = command(
        commands, "audit", audit, "what people and programs did with a hub, and whether the record is whole", lists=True
    )
    _dir_and_action(parser, AUDIT)
    parser.add_argument("--limit", type=int, default=SHOWN, help=f"show: the newest so many; {SHOWN} without it")
    parser.add_argument("--who", help="show, export: only what this one did")
    parser.add_argument(
        "--head", metavar="HASH", help="verify: an entry with this hash, noted earlier, must be in the chain"
    )
    parser.add_argument("-o", "--output", type=Path, help="export: into this file; the standard output without it")


def _dir_and_action(parser: Parser, actions: tuple[str, ...]) -> None:
    """`users add DIR` and `users DIR add` are both understood."""
    parser.add_argument("first", metavar="ACTION", help=", ".join(actions))
    takes_hub(parser, dest="second", metavar="DIR", help="the city folder")
    parser.set_defaults(actions=actions)


def _told(options: argparse.Namespace) -> tuple[str, Way]:
    action, options.dir = options.first, options.second
    if action not in options.actions and str(options.dir) in options.actions:
        action, options.dir = str(options.dir), Path(action)
    if action not in options.actions:
        raise Problem(f"{action!r} is no action; {', '.join(options.actions)} are there", 2)
    return action, way_to(options)


# ------------------------------------------------------------------------------------------------- users


def users(options: argparse.Namespace) -> int:
    action, way = _told(options)
    if action == "list":
        return _list(options, way)
    if not options.user:
        raise Problem(f"{action} needs the name of a user", 2)
    if way.far:
        return _answer(options, _there(options, way, action))
    config = way.config
    path = users_path(config.folder, config.api.users_file)
    known = _load(path)
    before = known.get(options.user)
    if action == "add" and before is not None:
        raise Problem(f"there is a user {options.user!r} already; `cityhub users grant` gives further rights")
    if action != "add" and before is None:
        raise Problem(f"there is no user {options.user!r}; `cityhub users list` shows who is there")
    password = _password(options, action)
    after = _changed(before or User(options.user), action, options)
    try:
        if after != before:
            _noted(config, action, before, after)
            save_user(path, after)
        if password is not None:
            if after == before:
                _noted(config, action, before, after)
            passwords.store(config.data, after.user, password)
    except (ValueError, OSError) as error:
        raise Problem(str(error)) from None
    return _answer(options, _shown(config, after))


def _there(options: argparse.Namespace, way: Way, action: str) -> dict[str, Any]:
    """The same by a hub on another machine: what it says of the user afterwards."""
    asked: dict[str, Any] = {}
    if options.name is not None:
        asked["name"] = options.name
    if (password := _password(options, action)) is not None:
        asked["password"] = password
    changed = _changed(User(options.user), action, options)
    granted = [msgspec.to_builtins(grant) for grant in map(_as_asked, changed.grants)]
    if action == "add":
        path, asked = "/api/v1/users", asked | {"user": options.user, "grants": granted}
    else:
        path = f"/api/v1/users/{quote(options.user, safe='')}"
        if action in ("disable", "enable"):
            asked["disabled"] = changed.disabled
        elif action == "grant":
            [asked["grant"]] = granted
        elif action == "revoke":
            if options.role is None:
                asked["grants"] = []
            else:
                asked["revoke"] = _role(options.role)
    told: dict[str, Any] = way.need(path, "users are its own", "POST", json=asked)
    return told


def _as_asked(grant: RoleGrant) -> Granted:
    """A limit that is none is left out, as an empty list would be refused."""
    limits = {limit: list(names) for limit in LIMITS if (names := getattr(grant, limit))}
    return Granted(grant.role, **limits, personal=grant.personal)


def _load(path: Path) -> dict[str, User]:
    if not path.exists():
        return {}
    found, mistakes = load_users(path)
    if mistakes:
        raise Problem("\n".join(map(str, mistakes)))
    return found


def _changed(user: User, action: str, options: argparse.Namespace) -> User:
    if action in ("disable", "enable"):
        return msgspec.structs.replace(user, disabled=action == "disable")
    if options.name is not None:
        user = msgspec.structs.replace(user, name=options.name)
    if action == "revoke":
        left = () if options.role is None else tuple(one for one in user.grants if one.role != _role(options.role))
        return msgspec.structs.replace(user, grants=left)
    if action in ("add", "grant"):
        if options.role is None:
            if action == "grant" or options.personal or any(getattr(options, limit) for limit in LIMITS):
                raise Problem(f"{action} needs --role, one of {', '.join(ROLES)}", 2)
            return user
        limits = {limit: tuple(getattr(options, limit)) for limit in LIMITS}
        grant = RoleGrant(_role(options.role), **limits, personal=options.personal)
        return user if grant in user.grants else msgspec.structs.replace(user, grants=(*user.grants, grant))
    return user


def _role(text: str) -> str:
    role = role_named(text)
    if role is None:
        raise Problem(f"there is no role {text!r}; {', '.join(ROLES)} are there", 2)
    return role


def _password(options: argparse.Namespace, action: str) -> str | None:
    """The new password, asked for at a terminal; None where none is to be set."""
    if action not in ("add", "password") or options.no_password:
        return None
    if options.password_env:
        shown = os.environ.get(options.password_env, "")
    elif options.password_file:
        try:
            text = sys.stdin.readline() if options.password_file == "-" else private_text(options.password_file)
        except ValueError as error:
            raise Problem(str(error)) from None
        shown = text.partition("\n")[0].rstrip("\r")
    elif sys.stdin.isatty():
        shown = getpass.getpass(f"password of {options.user}: ")
        if shown != getpass.getpass("the same again: "):
            raise Problem("these were two different passwords; nothing was changed")
    elif action == "add":
        note(f"no password was given; `cityhub users password DIR {options.user}` sets one")
        return None
    else:
        raise Problem("password needs --password-file, --password-env or a terminal", 2)
    try:
        return passwords.fit(shown)
    except ValueError as error:
        raise Problem(str(error)) from None


def _noted(config: Config, action: str, before: User | None, after: User) -> None:
    """Into the audit, before it is done; passwords never stand there."""
    shown = None if before is None else _described(before)
    act = Act(_me(), "local", "command line", f"users {action}", after.user, "allowed", shown, _described(after))
    try:
        Audit(config.data).append(act, now())
    except AuditUnavailable as error:
        raise Problem(f"{error}, so nothing was changed") from None


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _described(user: User) -> dict[str, Any]:
    return {"name": user.name, "disabled": user.disabled, "grants": [grant.words for grant in user.grants]}


def _shown(config: Config, user: User) -> dict[str, Any]:
    """As the API says a user."""
    return {"user": user.user, **_described(user), "password": user.user in passwords.load(config.data)}


def _answer(options: argparse.Namespace, user: dict[str, Any]) -> int:
    if options.json:
        json_line(user)
    else:
        what = ", ".join(user["grants"]) or "no rights yet: `cityhub users grant`"
        print(f"{user['user']}: {'disabled; ' if user['disabled'] else ''}{what}")
    return 0


def _list(options: argparse.Namespace, way: Way) -> int:
    if way.far:
        told = way.list("/api/v1/users", "users")
        found = told[0] if told is not None else []
    else:
        config = way.config
        known = _load(users_path(config.folder, config.api.users_file))
        found = [_shown(config, user) for user in known.values()]
    listing(
        found,
        ("user", "name", "state", "grants"),
        lambda user: (
            user["user"],
            user["name"],
            "disabled" if user["disabled"] else "" if user["password"] else "no password",
            "; ".join(user["grants"]),
        ),
        "no users; `cityhub users add DIR NAME --role ROLE` makes one",
        options,
    )
    return 0


# ------------------------------------------------------------------------------------------------- audit


def audit(options: argparse.Namespace) -> int:
    action, way = _told(options)
    if action == "verify":
        if way.far:
            raise Problem(f"the chain is verified in the hub's own files, on its machine, and not by {FAR}", 2)
        return _verify(options, way.config)
    if action == "export":
        try:
            with options.output.open("wb") if options.output else os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
                for entry in _acts(options, way):
                    file.write(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            raise Problem(f"{options.output} cannot be written: {error.strerror}") from None
        return 0
    shown, of = _newest(options, way)
    at = wall(options, way.zone)
    listing(
        shown,
        ("number", "at", "who", "from", "what", "on", "outcome", "detail"),
        lambda entry: (
            entry["number"],
            at(entry["at"]),
            entry["who"],
            entry["address"],
            entry["action"],
            entry["target"],
            entry["outcome"],
            entry["detail"] or ("" if entry["after"] is None else msgspec.json.encode(entry["after"]).decode()),
        ),
        "nothing has been done yet",
        options,
    )
    if of is None or len(shown) < of:
        cut(len(shown), of, "--limit shows more")
    return 0


def _newest(options: argparse.Namespace, way: Way) -> tuple[list[dict[str, Any]], int | None]:
    """The newest `--limit` entries, oldest first, and of how many; None where there are more and nobody counted them."""
    limit = max(0, options.limit)
    if way.far and options.who is None and limit:
        told = way.list("/api/v1/audit", "entries", limit)
        newest, more = told if told is not None else ([], False)
        return newest[::-1], None if more else len(newest)
    every = list(_acts(options, way))
    return every[len(every) - min(limit, len(every)) :], len(every)


def _acts(options: argparse.Namespace, way: Way) -> Iterator[dict[str, Any]]:
    """All entries that are asked for, oldest first."""
    if way.far:
        told = way.list("/api/v1/audit", "entries")
        every = iter(told[0][::-1] if told is not None else [])
    else:
        every = records.entries(way.config.data)
    return (one for one in every if options.who in (None, one.get("who")))


def _verify(options: argparse.Namespace, config: Config) -> int:
    """Exit 0 where the chain is whole, 1 where it is not."""
    found = records.verify(config.data)
    faults = list(found.faults)
    if options.head and not any(entry.get("hash") == options.head for entry in records.entries(config.data)):
        faults.append(f"no entry has the hash {options.head}: the record was replaced, or its end was cut off")
    if options.json:
        json_line({"entries": found.entries, "head": found.head, "ok": not faults, "faults": faults})
    else:
        for fault in faults:
            print(fault)
        state = "the chain is whole" if not faults else "THE CHAIN IS BROKEN"
        print(f"{found.entries} entries; {state}; head {found.head}")
    return 1 if faults else 0
