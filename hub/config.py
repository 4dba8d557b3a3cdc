"""The hub's configuration file `hub.toml`: typed, with every mistake named by file and line, all of them at once."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.device_clock import CLOCKS
from hub.extensions import Ill, extensions, must_be
from hub.ports import Plugin, StoreKind
from hub.tls import ServerTls

S = TypeVar("S", bound=msgspec.Struct)

NAME_MAX = 100
SECRET_KEYS = {"password", "token", "secret", "api_key", "psk", "private_key"}


class Mistake(NamedTuple):
    """Something wrong in the city folder. `str()` gives the line that `cityhub check` prints."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class HubOptions(msgspec.Struct, frozen=True):
    """[hub]"""

    name: str
    timezone: str = "UTC"
    data: str = "var"


class ApiOptions(msgspec.Struct, frozen=True):
    """[api]"""

    listen: str = "127.0.0.1:8080"
    tokens_file: str | None = None
    users_file: str | None = None
    """Users who log in, in TOML (`hub.access.users`); users.toml in the city folder, where there is one, without it."""
    session_hours: float = 12.0
    """How long a log-in lasts: a shift."""
    tls_cert_file: str | None = None
    """PEM of the certificate chain: the API and the console are served over TLS. Read again when it changes."""
    tls_key_file: str | None = None
    """PEM of its key; None where it stands in `tls_cert_file`."""
    tls_client_ca_file: str | None = None
    """PEM of authorities: a client certificate of theirs whose name is that of a user or token is that user or token."""
    tls_crl_file: str | None = None
    """PEM of the certificates that these authorities took back."""
    tls_client_required: bool = False
    """No connection without such a certificate."""
    proxy: bool | str | list[str] = False
    """The address of the TLS proxy in front, or several, networks too: what it says of the client's address and scheme is believed.
    `true`: there is one, and it is believed nothing."""
    plain_http: bool = False
    """Listen beyond loopback without TLS and without a proxy: passwords, tokens and data travel readable."""
    unknown_devices: str = "quarantine"
    body_bytes_max: int = 8 << 20
    hosts: list[str] = msgspec.field(default_factory=list)
    """Further names of this hub in requests, where it asks for no tokens (a proxy that passes its own on)."""
    origins: list[str] = msgspec.field(default_factory=list)
    """Web pages that may ask the API, such as "https://grafana.example"; the console's own needs no entry."""

    def __post_init__(self) -> None:
        if self.unknown_devices not in ("quarantine", "admit"):
            raise ValueError(f'unknown_devices is {self.unknown_devices!r}; "quarantine" or "admit" was meant')
        for given in self.proxies:
            try:
                ipaddress.ip_network(given)
            except ValueError:
                raise ValueError(
                    f"proxy = {given!r}: an address or a network such as 10.0.0.5 or 10.0.0.0/24 was meant"
                ) from None
        if self.tls_cert_file is None and (self.tls_key_file or self.tls_client_ca_file or self.tls_crl_file):
            raise ValueError("tls_key_file, tls_client_ca_file and tls_crl_file need tls_cert_file as well")
        if self.tls_client_ca_file is None and (self.tls_crl_file or self.tls_client_required):
            raise ValueError("tls_crl_file and tls_client_required need tls_client_ca_file as well")
        if not 0.05 <= self.session_hours <= 24 * 31:
            raise ValueError(f"session_hours = {self.session_hours}: 0.05 to 744 hours were meant")
        if not 1024 <= self.body_bytes_max <= 1 << 30:
            raise ValueError(f"body_bytes_max = {self.body_bytes_max}: 1024 to {1 << 30} bytes were meant")
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s?#@]+", origin):
                raise ValueError(f'origins: {origin!r} is no origin of web pages, such as "https://grafana.example"')

    @property
    def proxies(self) -> list[str]:
        """Addresses and networks whose word about the client is believed."""
        return [self.proxy] if isinstance(self.proxy, str) else self.proxy if isinstance(self.proxy, list) else []

    @property
    def covered(self) -> bool:
        """Whether what travels is encrypted, or somebody said that it need not be."""
        return bool(self.tls_cert_file or self.proxy or self.plain_http)

    def server_tls(self) -> ServerTls | None:
        """None where the API is served over plain HTTP. Raises OSError with a sentence where a file cannot be used."""
        if self.tls_cert_file is None:
            return None
        return ServerTls(
            self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file, self.tls_crl_file, self.tls_client_required
        )


class StoreOptions(msgspec.Struct, frozen=True):
    """[store]"""

    kind: str = "duckdb"
    url: str | None = None
    version: int = 2
    database: str = "city"
    org: str = "city"
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    memory_mb: int = 64
    timeout_s: float = 10.0
    keep_raw_days: float = 0
    """Days that raw rows are kept; 0 for ever. The same of the rollups below; those of a day are kept for ever."""
    keep_1m_days: float = 0
    keep_1h_days: float = 0
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """[store.options]: keys of a kind of store that a package brings."""


class RulesOptions(msgspec.Struct, frozen=True):
    """[rules]"""

    packs: list[str] = msgspec.field(default_factory=list)


class IngestOptions(msgspec.Struct, frozen=True):
    """[ingest]: what a reading's time may be, how long duplicates are remembered, what one device may send and must show."""

    future_max_s: float = 600.0
    past_max_days: float = 3660.0
    duplicates_max: int = 100_000
    readings_per_device_s_max: float = 1000.0
    """Readings a second of one device, as a mean over a minute (back-filled batches come at once); above it: fault "rate"."""
    zero_position: bool = False
    """Keep positions of latitude 0, longitude 0; otherwise they are no fix (for who works in the Gulf of Guinea)."""
    device_secrets_file: str | None = None
    """TOML outside of version control, `"jt808:014450376202" = "secret"`: what a device must show when it logs in."""

    def __post_init__(self) -> None:
        for name in ("future_max_s", "past_max_days", "duplicates_max", "readings_per_device_s_max"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")


class LogOptions(msgspec.Struct, frozen=True):
    """[log]: what the log may occupy on disk."""

    events_gb: float = 8.0
    alerts_gb: float = 1.0
    quarantine_gb: float = 0.5
    age_max_days: float | None = None


class CamerasOptions(msgspec.Struct, frozen=True):
    """[cameras]: picture elements per metre that a task needs, where they differ from EN 62676-4:2015."""

    tasks: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, needs in self.tasks.items():
            if not needs > 0:
                raise ValueError(f"tasks: {name} needs a number of picture elements per metre above 0")


class AdapterConfig(msgspec.Struct, frozen=True):
    """One [[adapters]] block: the common keys, and the protocol's own as its typed options."""

    name: str
    protocol: str
    unknown_devices: str
    options: Any
    line: int
    clock: str = "device"
    """Whose time its readings have: one of `CLOCKS`."""


class SinkConfig(msgspec.Struct, frozen=True):
    """One [[sinks]] block."""

    name: str
    protocol: str
    options: Any
    levels: tuple[str, ...]
    packs: tuple[str, ...]
    areas: tuple[str, ...]
    line: int
    contact: int = 1
    per_second_max: float = 20.0
    """Attempts a second; a burst of one second's worth goes at once."""


class Config(msgspec.Struct, frozen=True):
    """All of hub.toml."""

    folder: Path
    hub: HubOptions
    api: ApiOptions
    store: StoreOptions
    rules: RulesOptions
    ingest: IngestOptions
    log: LogOptions
    adapters: tuple[AdapterConfig, ...]
    sinks: tuple[SinkConfig, ...]
    cameras: CamerasOptions = CamerasOptions()

    @property
    def data(self) -> Path:
        return self.folder / self.hub.data

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.hub.timezone)


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "hub": HubOptions,
    "api": ApiOptions,
    "store": StoreOptions,
    "rules": RulesOptions,
    "ingest": IngestOptions,
    "log": LogOptions,
    "cameras": CamerasOptions,
}


def load_config(folder: Path, plugins: Mapping[str, Plugin]) -> tuple[Config | None, list[Mistake]]:
    """Read `folder/hub.toml`. A config comes back only where nothing is wrong with it."""
    path = folder / "hub.toml"
    file = str(path)
    try:
        text = path.read_text("utf-8")
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
        self._check_api(sections["api"])
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
        options = self._options(at, own, plugin.options)
        self._try(at, plugin, name, options)
        return AdapterConfig(name, plugin.protocol, policy, options, self._line(at), clock)

    def _name(self, at: tuple[Any, ...], block: dict[str, Any], otherwise: str) -> str:
        """The block's name. Logs, metrics and files are called by it, so it is a short text on one line."""
        name = block.get("name", otherwise)
        if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= NAME_MAX:
            return name
        self._wrong((*at, "name"), f'name = {_shown(name)}: a short text was meant, such as name = "{otherwise}"')
        return otherwise

    def _try(self, at: tuple[Any, ...], plugin: Plugin, name: str, options: Any) -> None:
        """Build the adapter, which opens no socket, so that mistakes in the files it reads are known before it runs."""
        if plugin.adapter is None or (plugin.options is not None and options is None):
            return
        try:
            plugin.adapter(name, options)
        except (ValueError, OSError) as error:
            self._refused(at, error, getattr(options, "map", None))
        except (
            Exception
        ) as error:  # a plug-in that did not foresee what the file says; the others are checked all the same
            self._wrong(at, f"adapter {name!r} cannot be made of this ({type(error).__name__}: {error})")

    def _refused(self, at: tuple[Any, ...], error: Exception, map: str | None) -> None:
        """What a plug-in said of its options; of its map by that file's own line."""
        mistakes = getattr(error, "mistakes", None)
        if mistakes and map is not None:
            self.mistakes += [_in_map(Path(map), sentence) for sentence in mistakes]
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
        options = self._options(at, own, plugin.sink_options)
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
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        self._unknown(at, table, list(fields))
        before = len(self.mistakes)
        values: dict[str, Any] = {}
        for key, field in fields.items():
            if key in table:
                try:
                    values[field.name] = msgspec.convert(self._path(at, key, table[key]), field.type, strict=True)
                except msgspec.ValidationError as error:
                    self._wrong(
                        (*at, key),
                        f"{key} = {_shown(table[key])}: {str(error).split(' - at')[0][:1].lower()}{str(error).split(' - at')[0][1:]}",
                    )
            elif field.required:
                self._wrong(at, f"{key} is missing here")
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

    def _options(self, at: tuple[Any, ...], own: dict[str, Any], kind: type[msgspec.Struct] | None) -> Any:
        """The plug-in's own keys; a plug-in without options allows none. `hub` is by default how this hub is called."""
        if kind:
            if "hub" in kind.__struct_fields__ and "hub" not in own and isinstance(self.table.get("hub"), dict):
                own = {**own, "hub": self.table["hub"].get("name", "")}
            return self._struct(at, own, kind)
        self._unknown(at, own, [])
        return None

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
            near = get_close_matches(key, known, n=1)
            self._wrong(
                (*at, key),
                f"unknown key {key!r}"
                + (f"; was {near[0]!r} meant?" if near else f"; known here: {', '.join(known) or 'none'}"),
            )

    # ---------------------------------------------------------------------------------------------- sense

    def _check_hub(self, hub: HubOptions | None) -> None:
        if hub is None:
            return
        try:
            ZoneInfo(hub.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a name that is a folder there, or too long for a file
            self._wrong(
                ("hub", "timezone"), f"unknown timezone {_shown(hub.timezone)}; a name such as Asia/Shanghai was meant"
            )

    def _check_api(self, api: ApiOptions | None) -> None:
        if api is None:
            return
        try:
            host, _ = split_address(api.listen)
        except ValueError as error:
            self._wrong(("api", "listen"), str(error))
            return
        has_users = bool(api.users_file) or _exists(self.folder / "users.toml")
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
        if store.kind == "influxdb" and not store.url:
            self._wrong(("store",), 'url is missing here, such as url = "http://127.0.0.1:8086"')
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


# ------------------------------------------------------------------------------------------------- helpers of meaning


def toml_lines(text: str) -> dict[tuple[Any, ...], int]:
    """Line of every table and key: ("adapters", 0, "listen") → 17. tomllib keeps no lines, so this reads the headers."""
    lines: dict[tuple[Any, ...], int] = {}
    counts: dict[str, int] = {}
    here: tuple[Any, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if array := re.match(r"\s*\[\[\s*([\w.-]+)\s*\]\]", line):
            here = (array[1], counts.get(array[1], 0))
            counts[array[1]] = here[1] + 1
            lines.setdefault((array[1],), number)
            lines[here] = number
        elif header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            parts = header[1].split(".")
            parent = (parts[0], counts[parts[0]] - 1) if parts[0] in counts else (parts[0],)
            here = (*parent, *parts[1:])
            lines[here] = number
        elif key := re.match(r"""\s*["']?([\w-]+)["']?(?:\.[\w-]+)*\s*=""", line):
            lines.setdefault((*here, key[1]), number)
    return lines


def _in_map(path: Path, sentence: str) -> Mistake:
    """ "pumps.toml: pump-1, flow: …" as a mistake in that file, at the line where pump-1's flow stands."""
    sentence = sentence.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    line = 0
    if told := re.search(r"\(at line (\d+)", sentence):
        line = int(told[1]) - 1
    elif "(at end of document)" in sentence:
        line = len(lines) - 1
    elif ": " in sentence:
        for word in re.findall(r"[\w./-]+", sentence.partition(": ")[0]):
            named = re.compile(
                rf'["\'=]\s*{re.escape(word)}["\']|^\s*\W*{re.escape(word)}\W*\s*=|\[{re.escape(word)}\]'
            )
            line = next((number for number in range(line, len(lines)) if named.search(lines[number])), line)
    return Mistake(str(path), line + 1, sentence)


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


def secret(value: str | None, env: str | None, file: str | None, what: str) -> str | None:
    """A secret by its place outside the folder. Raises ValueError with a sentence where the place is empty."""
    if value is not None:
        return value
    if env:
        if not os.environ.get(env):
            raise ValueError(f"{what}: the environment variable {env} is not set")
        return os.environ[env]
    if file:
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"{what}: {file} cannot be read ({error.strerror})") from None
    return None


def _shown(value: Any) -> str:
    """What the file says, for a mistake; not all of it where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


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
