"""The hub's configuration file `hub.toml`: typed, with every mistake named by file and line, all of them at once."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub import keys
from hub.device_clock import CLOCKS
from hub.extensions import Ill, extensions, must_be
from hub.mistakes import Mistake, in_map, toml_lines
from hub.options import SECTIONS, AdapterConfig, ApiOptions, Config, HubOptions, OidcOptions, SinkConfig, StoreOptions
from hub.ports import Plugin, StoreKind

S = TypeVar("S", bound=msgspec.Struct)

NAME_MAX = 100
SECRET_KEYS = {"password", "token", "secret", "client_secret", "api_key", "psk", "private_key"}


def load_config(folder: Path, plugins: Mapping[str, Plugin]) -> tuple[Config | None, list[Mistake]]:
    """Read `folder/hub.toml`. A config comes back only where nothing is wrong with it."""
    path = folder / "hub.toml"
    file = str(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        return None, [
            Mistake(file, 1, f"cannot be read ({error.strerror}); `cityhub init {folder}` writes a starter folder")
        ]
    except UnicodeDecodeError:
        return None, [Mistake(file, 1, "is not UTF-8 text")]
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return None, [Mistake(file, int(line[1]) if line else text.count("\n") + 1, f"is not valid TOML: {error}")]
    return _Reader(folder, file, table, toml_lines(text), plugins).read()


class _Reader:
    """One pass over hub.toml that collects what is wrong instead of stopping at it."""

    def __init__(
        self,
        folder: Path,
        file: str,
        table: dict[str, Any],
        lines: dict[tuple[Any, ...], int],
        plugins: Mapping[str, Plugin],
    ) -> None:
        self.folder = folder
        self.file = file
        self.table = table
        self.lines = lines
        self.plugins = plugins
        self.mistakes: list[Mistake] = []

    def read(self) -> tuple[Config | None, list[Mistake]]:
        self._unknown((), self.table, [*SECTIONS, "adapters", "sinks"])
        sections = {name: self._struct((name,), self.table.get(name, {}), kind) for name, kind in SECTIONS.items()}
        adapters = tuple(filter(None, (self._adapter(at, block) for at, block in self._blocks("adapters"))))
        sinks = tuple(filter(None, (self._sink(at, block) for at, block in self._blocks("sinks"))))
        self._check_hub(sections["hub"])
        self._check_api(sections["api"], sections["oidc"])
        self._check_store(sections["store"])
        self._check_names("adapters", adapters)
        self._check_names("sinks", sinks)
        self._check_ports(sections["api"], adapters)
        if self.mistakes:
            return None, sorted(self.mistakes, key=lambda mistake: mistake.line)
        return Config(folder=self.folder, adapters=adapters, sinks=sinks, **sections), []

    # ---------------------------------------------------------------------------------------------- blocks

    def _adapter(self, at: tuple[Any, ...], block: dict[str, Any]) -> AdapterConfig | None:
        plugin = self._plugin(at, block, "adapter")
        if plugin is None:
            return None
        name = self._name(at, block, plugin.protocol)
        policy = block.get("unknown_devices", plugin.unknown_devices)
        if policy not in ("quarantine", "admit"):
            self._wrong((*at, "unknown_devices"), f'unknown_devices is {policy!r}; "quarantine" or "admit" was meant')
        clock = block.get("clock", "device")
        if clock not in CLOCKS:
            self._wrong((*at, "clock"), f"clock is {clock!r}; one of {', '.join(CLOCKS)} was meant")
        common = ("name", "protocol", "unknown_devices", "clock")
        own = {key: value for key, value in block.items() if key not in common}
        options, codec_options = self._options(at, own, plugin.options, plugin.codec_options)
        self._try(at, plugin, name, options, codec_options)
        return AdapterConfig(name, plugin.protocol, policy, options, self._line(at), clock, codec_options)

    def _name(self, at: tuple[Any, ...], block: dict[str, Any], otherwise: str) -> str:
        """The block's name. Logs, metrics and files are called by it, so it is a short text on one line."""
        name = block.get("name", otherwise)
        if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= NAME_MAX:
            return name
        self._wrong((*at, "name"), f'name = {keys.shown(name)}: a short text was meant, such as name = "{otherwise}"')
        return otherwise

    def _try(self, at: tuple[Any, ...], plugin: Plugin, name: str, options: Any, codec_options: Any) -> None:
        """Build the adapter, which opens no socket, so that mistakes in the files it reads are known before it runs."""
        if plugin.adapter is None or (plugin.options is not None and options is None) or codec_options is None:
            return
        try:
            plugin.source(name, options, codec_options)
        except (ValueError, OSError) as error:
            self._refused(at, error, getattr(options, "map", None) or getattr(codec_options, "map", None))
        except (
            Exception
        ) as error:  # a plug-in that did not foresee what the file says; the others are checked all the same
            self._wrong(at, f"adapter {name!r} cannot be made of this ({type(error).__name__}: {error})")

    def _refused(self, at: tuple[Any, ...], error: Exception, map: str | None) -> None:
        """What a plug-in said of its options; of its map by that file's own line."""
        mistakes = getattr(error, "mistakes", None)
        if mistakes and map is not None:
            self.mistakes += [in_map(Path(map), sentence) for sentence in mistakes]
        else:
            self._wrong(at, str(error))

    def _sink(self, at: tuple[Any, ...], block: dict[str, Any]) -> SinkConfig | None:
        plugin = self._plugin(at, block, "sink")
        if plugin is None:
            return None
        filters = {key: self._texts((*at, key), block.get(key, [])) for key in ("levels", "packs", "areas")}
        for level in filters["levels"]:
            if level not in ("blue", "yellow", "orange", "red"):
                self._wrong((*at, "levels"), f"unknown level {level!r}; blue, yellow, orange or red was meant")
        contact = block.get("contact", 1)
        if type(contact) is not int or not 1 <= contact <= 9:
            self._wrong((*at, "contact"), f"contact = {contact!r}: a number from 1 to 9 was meant")
        rate = block.get("per_second_max", 20.0)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 10_000:
            self._wrong((*at, "per_second_max"), f"per_second_max = {rate!r}: attempts a second were meant, such as 20")
            rate = 20.0
        common = ("name", "protocol", "contact", "per_second_max", *filters)
        own = {key: value for key, value in block.items() if key not in common}
        (options,) = self._options(at, own, plugin.sink_options)
        return SinkConfig(
            self._name(at, block, plugin.protocol),
            plugin.protocol,
            options,
            line=self._line(at),
            contact=contact,
            per_second_max=float(rate),
            **filters,
        )

    def _plugin(self, at: tuple[Any, ...], block: dict[str, Any], use: str) -> Plugin | None:
        protocol = block.get("protocol")
        if isinstance(protocol, str) and protocol in self.plugins and getattr(self.plugins[protocol], use):
            return self.plugins[protocol]
        usable = [name for name, plugin in self.plugins.items() if getattr(plugin, use)]
        sick: Mapping[str, str] = getattr(self.plugins, "ill", {})
        if isinstance(protocol, str) and protocol in sick:
            self._wrong((*at, "protocol"), f"protocol {sick[protocol]}")
        elif protocol is None:
            self._wrong(at, f"this block names no protocol; one of {', '.join(usable)} is needed")
        else:
            near = get_close_matches(str(protocol), usable, n=1)
            self._wrong(
                (*at, "protocol"),
                f"unknown protocol {protocol!r}; "
                + (f"was {near[0]!r} meant?" if near else f"known are {', '.join(usable)}"),
            )
        return None

    def _blocks(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        blocks = self.table.get(name, [])
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            self._wrong((name,), f"{name} is written as [[{name}]], a block for each")
            return []
        return [((name, number), block) for number, block in enumerate(blocks)]

    # ---------------------------------------------------------------------------------------------- values

    def _struct(self, at: tuple[Any, ...], table: Any, kind: type[S]) -> Any:
        """`table` as `kind`, field by field, so that each wrong one is named."""
        if not isinstance(table, dict):
            self._wrong(at, f"{at[0]} is a table: write [{at[0]}] and its keys below")
            return None
        self._unknown(at, table, list(keys.fields(kind)))
        return self._made(at, table, kind)

    def _made(self, at: tuple[Any, ...], table: dict[str, Any], kind: type[S]) -> S | None:
        """The struct of those keys of `table` that it has."""
        before = len(self.mistakes)
        named = {key: self._path(at, key, table[key]) for key in keys.fields(kind) if key in table}
        values, wrong = keys.read(kind, named)
        for key, sentence in wrong.items():
            self._wrong((*at, key), sentence)
        for key, value in values.items():
            if isinstance(value, str) and "://" in value and (reason := _no_url(value)):
                self._wrong((*at, key), f"{key} = {keys.shown(value)} {reason}")
        if len(self.mistakes) > before:
            return None
        try:
            return kind(**values)
        except ValueError as error:
            self._refused(at, error, values.get("map"))
            return None
        except Exception as error:  # as for adapters
            self._wrong(at, f"these options cannot be used ({type(error).__name__}: {error})")
            return None

    def _path(self, at: tuple[Any, ...], key: str, value: Any) -> Any:
        """Files are named relative to the city folder."""
        named = key in ("map", "file", "folder") or key.endswith(("_file", "_dir")) or key.startswith("tls_")
        if isinstance(value, str) and named:
            path = self.folder / value
            if "\0" in value:
                self._wrong((*at, key), f"{key} = {value!r}: no file has such a name")
            elif key not in ("file", "folder", "users_file") and not _exists(path):
                self._wrong((*at, key), f"{key} = {value!r}: there is no such file in {self.folder}")
            return str(path)
        return value

    def _options(self, at: tuple[Any, ...], own: dict[str, Any], *kinds: type[msgspec.Struct] | None) -> list[Any]:
        """The plug-in's own keys as these structs: each key belongs to the one that has it, and a key of none is unknown. `hub` is by
        default how this hub is called."""
        known = [key for kind in kinds if kind for key in keys.fields(kind)]
        if "hub" in known and "hub" not in own and isinstance(self.table.get("hub"), dict):
            own = {**own, "hub": self.table["hub"].get("name", "")}
        self._unknown(at, own, known)
        return [self._made(at, own, kind) if kind else None for kind in kinds]

    def _texts(self, at: tuple[Any, ...], value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._wrong(at, f'{at[-1]} is a list of texts, such as {at[-1]} = ["red"]')
        return ()

    def _unknown(self, at: tuple[Any, ...], table: dict[str, Any], known: list[str]) -> None:
        for key, value in table.items():
            if isinstance(value, str) and (secret := _secret_in(value)):
                self._wrong(
                    (*at, key),
                    f"a secret stands in the file ({secret}); keep it outside and name it with an …_env or …_file key",
                )
            if key in SECRET_KEYS:
                self._wrong(
                    (*at, key),
                    f"a secret stands in the file; name an environment variable with {key}_env or a file with {key}_file instead",
                )
                continue
            if key in known:
                continue
            self._wrong((*at, key), keys.unknown(key, known))

    # ---------------------------------------------------------------------------------------------- sense

    def _check_hub(self, hub: HubOptions | None) -> None:
        if hub is None:
            return
        try:
            ZoneInfo(hub.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a name that is a folder there, or too long for a file
            self._wrong(
                ("hub", "timezone"),
                f"unknown timezone {keys.shown(hub.timezone)}; a name such as Asia/Shanghai was meant",
            )

    def _check_api(self, api: ApiOptions | None, oidc: OidcOptions | None) -> None:
        if api is None:
            return
        try:
            host, _ = split_address(api.listen)
        except ValueError as error:
            self._wrong(("api", "listen"), str(error))
            return
        has_users = bool(api.users_file) or _exists(self.folder / "users.toml") or bool(oidc and oidc.issuer)
        if not is_loopback(host) and not api.tokens_file and not has_users:
            self._wrong(
                ("api", "listen"),
                f"{api.listen} is reachable from outside, so tokens are needed, or users who log in: set tokens_file, or `cityhub users "
                "add` (or listen on 127.0.0.1)",
            )

        try:
            if not any(mistake.message.startswith("tls_") for mistake in self.mistakes):
                api.server_tls()
        except OSError as error:
            self._wrong(("api", "tls_cert_file"), str(error))

    def _check_store(self, store: StoreOptions | None) -> None:
        if store is None:
            return
        kinds = extensions("stores")
        known = " or ".join(f'"{name}"' for name in kinds)
        if store.kind not in kinds:
            self._wrong(("store", "kind"), f"unknown store {store.kind!r}; {known} was meant")
        elif kinds[store.kind].own and store.options:
            self._wrong(
                ("store", "options"),
                f"[store.options] is for kinds that a package brings; write the keys of {store.kind} into [store]",
            )
        elif not kinds[store.kind].own:
            try:
                kinds[store.kind].load(must_be(StoreKind))
            except Ill as error:
                self._wrong(("store", "kind"), f"the store {error}")
        self._unknown(("store", "options"), store.options, list(store.options))
        if store.keep_personal_days and not (
            store.kind == "duckdb" or (store.kind == "influxdb" and store.version != 3)
        ):
            what = "InfluxDB 3" if store.kind == "influxdb" else f"a store of the kind {store.kind!r}"
            self._wrong(
                ("store", "keep_personal_days"),
                f"{what} cannot erase what is personal alone; give its database a retention of its own, and leave this out",
            )
        if store.kind == "influxdb" and not store.url:
            self._wrong(("store",), 'url is missing here, such as url = "http://127.0.0.1:8086"')
        elif store.kind == "influxdb" and not re.match(r"https?://[^/]", store.url or ""):
            self._wrong(("store", "url"), f"url = {keys.shown(store.url)}: it should look like http://127.0.0.1:8086")
        if store.version not in (1, 2, 3):
            self._wrong(("store", "version"), f"version {store.version} is not known; 1, 2 or 3 was meant")

    def _check_names(self, section: str, blocks: tuple[Any, ...]) -> None:
        seen: dict[str, int] = {}
        for block in blocks:
            if block.name in seen:
                self.mistakes.append(
                    Mistake(
                        self.file,
                        block.line,
                        f"the name {block.name!r} is used in line {seen[block.name]} already; give this one of [[{section}]] its own",
                    )
                )
            seen.setdefault(block.name, block.line)

    def _check_ports(self, api: ApiOptions | None, adapters: tuple[AdapterConfig, ...]) -> None:
        taken: dict[tuple[str, int], tuple[str, str]] = {}
        listens: list[tuple[tuple[Any, ...], str, str]] = (
            [(("api", "listen"), "[api]", f"tcp://{api.listen}")] if api else []
        )
        for number, adapter in enumerate(adapters):
            listen = getattr(adapter.options, "listen", None)
            if listen and not getattr(adapter.options, "connect", None):
                listens.append((("adapters", number, "listen"), f"adapter {adapter.name!r}", listen))
        for at, who, listen in listens:
            try:
                url = urlsplit(listen if "://" in listen else f"tcp://{listen}")
                port = url.port
            except ValueError:
                self._wrong(at, f"{listen!r} names no port between 1 and 65535")
                continue
            if port is None or port == 0:
                continue
            key = ("udp" if url.scheme in ("udp", "coap", "coaps") else "tcp", port)
            host = url.hostname or ""
            if key in taken and (host == taken[key][1] or {"0.0.0.0", "::", ""} & {host, taken[key][1]}):
                self._wrong(at, f"port {port} is used twice: {taken[key][0]} listens there already")
            taken.setdefault(key, (who, host))

    def _wrong(self, at: tuple[Any, ...], message: str) -> None:
        self.mistakes.append(Mistake(self.file, self._line(at), message))

    def _line(self, at: tuple[Any, ...]) -> int:
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)


def split_address(listen: str) -> tuple[str, int]:
    """("127.0.0.1", 8080) of "127.0.0.1:8080". Raises ValueError with a sentence."""
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    written = bool(re.fullmatch(r"[\w.*-]+", bare)) or (bare != host and bool(re.fullmatch(r"[0-9a-fA-F:.%\w]+", bare)))
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or not written:
        raise ValueError(f'{listen!r} is not an address and port such as "127.0.0.1:8080" or "[::1]:8080"')
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address. Names other than localhost may lead anywhere, also those that begin with 127."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_url(text: str) -> str:
    """Why it cannot be taken apart; empty where it can."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "is no address: [ and ] enclose an address of IPv6"
    try:
        _ = parts.port
    except ValueError:
        return "names no port between 1 and 65535"
    return ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the file system, a folder that may not be looked into
        return False


def _secret_in(value: str) -> str:
    if value.startswith("whsec_"):
        return "a webhook secret"
    if "://" in value:
        try:
            if urlsplit(value).password:
                return "a password in the address"
        except ValueError:
            return ""
    if value.startswith("-----BEGIN") and "PRIVATE KEY" in value:
        return "a private key"
    return ""
