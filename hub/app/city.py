"""A whole city folder, loaded and checked: configuration, registry, rules and tokens, every mistake of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from hub import clock
from hub.access.people import grant_of
from hub.access.users import User, load_users, users_path
from hub.access.users import able as users_able
from hub.access.users import check as check_user
from hub.api.auth import Token, load_tokens
from hub.api.provider import Provider
from hub.config import is_loopback, load_config, split_address
from hub.metrics import use_city
from hub.mistakes import Mistake, toml_lines
from hub.options import Config
from hub.ports import Plugin
from hub.registry import Registry, load_registry
from hub.secret_files import private_table
from hub.text_files import NotText, read_text
from rules.book import PACKS, RuleBook
from rules.book import load as load_rules


class City(msgspec.Struct, frozen=True):
    """What `cityhub run` needs, and nothing that is wrong."""

    config: Config
    registry: Registry
    book: RuleBook
    tokens: Mapping[str, Token] | None
    """None where the city names no tokens file; without users too, only whoever is on the machine may use the API then."""
    secrets: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Device → what it must show when it logs in."""


def load_city(folder: Path, plugins: Mapping[str, Plugin]) -> tuple[City | None, list[Mistake]]:
    """The city in `folder`, or everything that is wrong with it. Its words become the vocabulary of this process."""
    mistakes = load_words(folder)
    config, wrong = load_config(folder, plugins)
    mistakes += wrong
    registry, wrong = load_registry(folder)
    mistakes += wrong
    if config:
        mistakes += _strange_cameras(config, registry)
    packs = config.rules.packs if config else []
    rules = load_rules([folder / "rules"] if (folder / "rules").is_dir() else [], packs)
    book = rules if isinstance(rules, RuleBook) else None
    if not isinstance(rules, RuleBook):
        mistakes += [
            _of_packs(folder, found.message)
            if found.file == PACKS
            else Mistake(found.file, found.line, f"column {found.column}: {found.message}")
            for found in rules
        ]
    tokens: dict[str, Token] | None = None
    if config and config.api.tokens_file:
        tokens, wrong = load_tokens(Path(config.api.tokens_file))
        mistakes += wrong
    users: dict[str, User] = {}
    if config and (config.api.users_file or users_path(folder, None).exists()):
        users, wrong = load_users(users_path(folder, config.api.users_file))
        mistakes += wrong
        if both := users.keys() & (tokens or {}).keys():
            mistakes.append(
                Mistake(
                    str(config.api.tokens_file),
                    1,
                    f"{sorted(both)[0]!r} is the name of a token and of a user; acts are recorded by name, so give each its own",
                )
            )
    if config:
        mistakes += _strange_approvers(config, tokens or {}, users)
        mistakes += _readable(config)
        mistakes += _strange_groups(config)
    secrets: dict[str, str] = {}
    if config and config.ingest.device_secrets_file:
        secrets, wrong = load_secrets(Path(config.ingest.device_secrets_file))
        mistakes += wrong or _unguarded(config, secrets, plugins)
    if mistakes or config is None or book is None:
        return None, mistakes
    return City(config, registry, book, tokens, secrets), []


def load_words(folder: Path) -> list[Mistake]:
    """Take the folder's `metrics.toml` into the vocabulary, where it has one; what is wrong with it, by line."""
    path = folder / "metrics.toml"
    try:
        text = read_text(path) if path.exists() else ""
    except (OSError, NotText) as error:
        use_city("")
        return [
            Mistake(str(path), 1, str(error) if isinstance(error, NotText) else f"cannot be read: {error.strerror}")
        ]
    return [Mistake(str(path), line, message) for line, message in use_city(text)]


def _of_packs(folder: Path, message: str) -> Mistake:
    """What is wrong with a pack that hub.toml names, by the line where it does."""
    file = folder / "hub.toml"
    text = file.read_text("utf-8-sig")
    line = toml_lines(text).get(("rules", "packs"), 1)
    named = next((part for part in message.split("'")[1:2]), "")
    for number, words in enumerate(text.splitlines()[line - 1 :], line):
        if f'"{named}"' in words or f"'{named}'" in words:
            return Mistake(str(file), number, message)
    return Mistake(str(file), line, message)


def _readable(config: Config) -> list[Mistake]:
    """An API beyond loopback over plain HTTP, unless somebody said that it is meant."""
    api = config.api
    if api.covered or is_loopback(split_address(api.listen)[0]):
        return []
    file = config.folder / "hub.toml"
    line = toml_lines(file.read_text("utf-8-sig")).get(("api", "listen"), 1)
    told = (
        f"{api.listen} is reachable from outside, and passwords, tokens and data would travel readable: set tls_cert_file, or proxy = the "
        "address of the TLS proxy in front, or plain_http = true where that is meant"
    )
    return [Mistake(str(file), line, told)]


def _strange_groups(config: Config) -> list[Mistake]:
    """Groups of the identity provider whose grant is none, and a secret of this hub at the provider that cannot be read."""
    file = config.folder / "hub.toml"
    lines = toml_lines(file.read_text("utf-8-sig")) if config.oidc.issuer else {}
    mistakes = []
    for number, group in enumerate(config.oidc.groups):
        try:
            check_user(User("x", grants=(grant_of(group),)))
        except ValueError as error:
            line = lines.get(("oidc", "groups", number), lines.get(("oidc",), 1))
            mistakes.append(Mistake(str(file), line, f"[[oidc.groups]] {group.group!r}: {error}"))
    if config.oidc.issuer:
        try:
            Provider(config.oidc, clock.now)
        except (ValueError, OSError) as error:
            mistakes.append(Mistake(str(file), lines.get(("oidc",), 1), str(error)))
    return mistakes


def _strange_cameras(config: Config, registry: Registry) -> list[Mistake]:
    """Cameras that destinations name and the registry does not have. Those of other hubs (`hub/camera`) it need not have."""
    known = registry.cameras
    return [
        Mistake(
            str(config.folder / "hub.toml"),
            sink.line,
            f"destination {sink.name!r} names camera {camera!r}, which the registry does not have"
            + (f"; was {near[0]!r} meant?" if (near := get_close_matches(camera, known, n=1)) else ""),
        )
        for sink in config.sinks
        for names in ("cameras", "monitors")
        if isinstance(named := getattr(sink.options, names, None), Mapping)
        for camera in named
        if camera not in known and "/" not in camera
    ]


def _strange_approvers(config: Config, tokens: Mapping[str, Token], users: Mapping[str, User]) -> list[Mistake]:
    """Approvers of public warnings who are no user's or token's name: nobody could ever approve as them, or anybody."""
    able = [name for name, token in tokens.items() if "operate" in token.roles] + users_able(users, "operate")
    mistakes = []
    for sink in config.sinks:
        for name in getattr(sink.options, "approvers", None) or ():
            if name not in able:
                near = get_close_matches(name, able, n=1)
                hint = (
                    f"was {near[0]!r} meant?"
                    if near
                    else "approvals count by the name of a user or token: `cityhub users add`, or [tokens.NAME] of [api] tokens_file"
                )
                why = "has no role operate" if name in tokens else "is the name of no token"
                if name in users:
                    why = "may not operate, or is disabled"
                mistakes.append(
                    Mistake(
                        str(config.folder / "hub.toml"),
                        sink.line,
                        f"destination {sink.name!r}: the approver {name!r} {why}; {hint}",
                    )
                )
    return mistakes


def load_secrets(path: Path) -> tuple[dict[str, str], list[Mistake]]:
    """Device → secret of a TOML file. A mistake names the device, never what stands beside it."""
    try:
        table = private_table(path, 'a line such as "jt808:014450376202" = "secret"')
    except ValueError as error:
        return {}, [Mistake(str(path), 1, str(error).removeprefix(f"{path} "))]
    wrong = [device for device, secret in table.items() if not isinstance(secret, str) or not secret]
    return (
        {device: secret for device, secret in table.items() if device not in wrong},
        [Mistake(str(path), 1, f'{device!r}: a secret is a text, such as "{device}" = "…"') for device in wrong],
    )


def _unguarded(config: Config, secrets: Mapping[str, str], plugins: Mapping[str, Plugin]) -> list[Mistake]:
    """Secrets that guard nothing: of protocols that cannot show them, or whose readings also come in without a login."""
    file = str(config.ingest.device_secrets_file)
    guarded = {device.partition(":")[0]: device for device in secrets}
    mistakes = [
        Mistake(file, 1, f"{device!r}: {protocol} devices show no secret; those of jt808, gb32960, hj212 and sl651 do")
        for protocol, device in guarded.items()
        if protocol not in plugins or not plugins[protocol].proof
    ]
    return mistakes + [
        Mistake(
            str(config.folder / "hub.toml"),
            adapter.line,
            f"device_secrets_file has secrets of {adapter.protocol} devices, but adapter {adapter.name!r} takes readings without "
            "a login; set login_required = true",
        )
        for adapter in config.adapters
        if adapter.protocol in guarded
        and plugins[adapter.protocol].proof == "login"
        and getattr(adapter.options, "login_required", True) is False
    ]
