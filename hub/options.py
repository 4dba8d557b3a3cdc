"""The sections of `hub.toml` as types, with what each key means and may be; `hub.config` reads them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from hub.personal import Personal
from hub.ports import NoOptions
from hub.tls import ServerTls

LOG_LEVELS = ("debug", "info", "warning", "error")


ROLES = ("ingest", "api", "store", "delivery", "rules")
WORK = ("store", "delivery", "rules")
"""Each is done by one node of a city at a time, the one with the lease of that name."""


class HubOptions(msgspec.Struct, frozen=True):
    """[hub]"""

    name: str
    timezone: str = "UTC"
    data: str = "var"
    roles: list[str] = msgspec.field(default_factory=lambda: list(ROLES))
    """What this machine does of a city whose log lies on servers (docs/scale.md). Without it: everything."""

    def __post_init__(self) -> None:
        named = ["delivery" if role == "deliver" else role for role in self.roles]
        msgspec.structs.force_setattr(self, "roles", list(dict.fromkeys(named)))
        if unknown := [role for role in self.roles if role not in ROLES]:
            raise ValueError(f"roles: {unknown[0]!r} is none; {', '.join(ROLES)} are")
        if not self.roles:
            raise ValueError(f"roles is empty: some of {', '.join(ROLES)} were meant")


class ApiOptions(msgspec.Struct, frozen=True):
    """[api]"""

    listen: str = "127.0.0.1:8080"
    tokens_file: str | None = None
    users_file: str | None = None
    """Users who log in, in TOML (`hub.access.users`); users.toml in the city folder, where there is one, without it."""
    session_hours: float = 12.0
    """How long a log-in lasts: a shift."""
    principal_per_s: float = 200.0
    """Requests a second of one user or token, as a mean over ten seconds; 0: no limit. More are answered with 429."""
    address_per_s: float = 400.0
    """The same of one address, known or not."""
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
        for name in ("principal_per_s", "address_per_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} = {getattr(self, name)}: requests a second, or 0 for no limit, were meant")
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


class OidcGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[oidc.groups]]: what the members of one group of the identity provider may here, as a grant of users.toml."""

    group: str
    role: str
    areas: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    personal: bool = False


class OidcOptions(msgspec.Struct, frozen=True):
    """[oidc]: people log in at the city's identity provider (OpenID Connect)."""

    issuer: str = ""
    """The provider's name, letter for letter as its discovery document has it; without one nobody logs in this way."""
    client_id: str = ""
    """How the provider knows this hub."""
    client_secret_file: str | None = None
    """File with the secret that goes with it; none for a public client."""
    client_secret_env: str | None = None
    address: str = ""
    """Where browsers reach this hub, such as "https://hub.city.example"; the provider sends people back to ADDRESS/oidc/back."""
    title: str = "single sign-on"
    """What the log-in button calls the provider."""
    scopes: list[str] = msgspec.field(default_factory=lambda: ["openid", "profile"])
    user_claim: str = "preferred_username"
    """The claim that names people here; "email" counts only where the provider has verified it."""
    groups_claim: str = "groups"
    """The claim with somebody's groups; with dots the way into objects, such as "realm_access.roles"."""
    groups: list[OidcGroup] = msgspec.field(default_factory=list)
    clock_skew_s: int = 60
    """How far the provider's clock may be from this one's."""
    ca_file: str | None = None
    """PEM of the authority of the provider's certificate, where it is a private one."""

    def __post_init__(self) -> None:
        if not self.issuer:
            if self.client_id or self.address or self.groups:
                raise ValueError('issuer is missing here, such as issuer = "https://login.city.example"')
            return
        for name in ("client_id", "address"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing here, beside issuer")
        for name in ("issuer", "address"):
            if not web_address(getattr(self, name)):
                raise ValueError(
                    f"{name} = {getattr(self, name)!r}: an address with https:// was meant (http:// only on this machine), without query"
                )
        if urlsplit(self.address).path.strip("/"):
            raise ValueError(f"address = {self.address!r}: the address of the console was meant, without a path")
        if "openid" not in self.scopes:
            raise ValueError('scopes: "openid" is one of them, always')
        if not 0 <= self.clock_skew_s <= 600:
            raise ValueError(f"clock_skew_s = {self.clock_skew_s}: 0 to 600 seconds were meant")

    @property
    def back(self) -> str:
        """Where the provider sends people back to; it stands in the provider's list of this client."""
        return f"{self.address.rstrip('/')}/oidc/back"


def web_address(text: object) -> bool:
    """Whether it is an address that nobody on the way can change: https, or http on this machine."""
    try:
        url = urlsplit(text) if isinstance(text, str) else urlsplit("")
        host = url.hostname or ""
        alone = host == "localhost" or (
            bool(re.fullmatch(r"[0-9a-f.:]+", host)) and ipaddress.ip_address(host).is_loopback
        )
        return (
            bool(host)
            and not url.fragment
            and not url.username
            and (url.scheme == "https" or (url.scheme == "http" and alone))
        )
    except ValueError:
        return False


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
    threads: int = 1
    """Threads that a query of DuckDB may use."""
    timeout_s: float = 10.0
    gzip: bool = True
    """InfluxDB: compress what is written; worth its time on every network but loopback."""
    batch_lines: int = 5_000
    batch_bytes: int = 4_000_000
    """InfluxDB: of one request, before compression."""
    ca_file: str | None = None
    """InfluxDB: certificate authority of a server with a private one, PEM."""
    keep_raw_days: float = 0
    """Days that raw rows are kept; 0 for ever. The same of the rollups below; those of a day are kept for ever."""
    keep_1m_days: float = 0
    keep_1h_days: float = 0
    keep_personal_days: float = 0
    """Days that what vehicles and phones told is kept, rows and rollups of all widths, and who and where in warnings; 0 as long as everything
    else. See docs/personal-data.md."""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """[store.options]: keys of a kind of store that a package brings."""

    def __post_init__(self) -> None:
        for name, least in (
            ("memory_mb", 1),
            ("threads", 1),
            ("timeout_s", 0.1),
            ("batch_lines", 1),
            ("batch_bytes", 1_000),
            ("keep_raw_days", 0),
            ("keep_1m_days", 0),
            ("keep_1h_days", 0),
            ("keep_personal_days", 0),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} = {getattr(self, name)}: at least {least} was meant")


PARTITIONS_MAX = 64


class RulesOptions(msgspec.Struct, frozen=True):
    """[rules]"""

    packs: list[str] = msgspec.field(default_factory=list)
    partitions: int = 1
    """Parts among which subjects are shared out. The alerts are the same. With the log on servers machines share the parts (docs/scale.md), and
    the number stays as it is once they have begun; inside one process more than one saves nothing."""

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= PARTITIONS_MAX:
            raise ValueError(f"partitions must be from 1 to {PARTITIONS_MAX}")


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
    """[log]: what the log may occupy, and where it is kept."""

    kind: str | None = None
    """"files" or "jetstream", to say what is meant in words: with `servers` it is the second, without them the first."""
    events_gb: float = 8.0
    alerts_gb: float = 1.0
    quarantine_gb: float = 0.5
    age_max_days: float | None = None
    servers: list[str] = msgspec.field(default_factory=list)
    """NATS servers with JetStream that keep the log, "nats://HOST:4222" each (docs/scale.md); without them it lies in segment files."""
    space: str = "cityhub"
    """The log's name on the servers: all hubs of a city have the same, another city has another."""
    replicas: int = 3
    """On how many servers every entry is kept; a majority has it before it is acknowledged."""
    monitoring: list[str] = msgspec.field(default_factory=list)
    """Monitoring ports of the servers, "http://HOST:8222" each: the hub sees there that they sync before they acknowledge."""
    synced: bool = False
    """A statement: every server's configuration says `sync_interval: always`. Needed with one replica where `monitoring` is not given."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", self.space):
            raise ValueError(f"space = {self.space!r}: up to 40 letters, digits, - and _ were meant")
        if self.replicas not in (1, 3, 5):
            raise ValueError(f"replicas = {self.replicas}: 1, 3 or 5 were meant, so that there is a majority")
        if self.kind not in (None, "files", "jetstream"):
            raise ValueError(f"kind = {self.kind!r}: files or jetstream were meant")
        if self.kind == "jetstream" and not self.servers:
            raise ValueError('kind = "jetstream" needs servers')
        if self.kind == "files" and self.servers:
            raise ValueError('kind = "files" is a log in the data folder, and servers are named')
        for address in self.servers:
            if not re.fullmatch(r"(nats|tls)://[^/\s]+", address):
                raise ValueError(f'servers: {address!r} is no address such as "nats://10.0.0.5:4222"')
        for address in self.monitoring:
            if not re.fullmatch(r"https?://[^/\s]+/?", address):
                raise ValueError(f'monitoring: {address!r} is no address such as "http://10.0.0.5:8222"')
        if not self.servers and (self.monitoring or self.synced):
            raise ValueError("monitoring and synced are of servers, and none are named")


class LoggingOptions(msgspec.Struct, frozen=True):
    """[logging]: what the process says on standard error."""

    format: str = "text"
    """ "text" for people, "json" for machines: an object a line."""
    level: str = "warning"
    levels: dict[str, str] = msgspec.field(default_factory=dict)
    """Of single parts, such as delivery = "debug" or "adapters.mqtt" = "info"."""

    def __post_init__(self) -> None:
        if self.format not in ("text", "json"):
            raise ValueError(f'format is {self.format!r}; "text" or "json" was meant')
        for name, level in {"level": self.level, **self.levels}.items():
            if level not in LOG_LEVELS:
                raise ValueError(f"{name} is {level!r}; one of {', '.join(LOG_LEVELS)} was meant")


class MetricsOptions(msgspec.Struct, frozen=True):
    """[metrics]: what `/metrics` has beside the counters."""

    stages: bool = False
    """Histograms of how long each stage of a reading's journey takes (`cityhub_stage_seconds`)."""


class TracingOptions(msgspec.Struct, frozen=True):
    """[tracing]: single readings followed through the hub, for a collector of OpenTelemetry. Needs `pip install cityhub[otel]`."""

    otlp: str | None = None
    """Where the collector takes OTLP over HTTP, such as "http://127.0.0.1:4318"; without it nothing is traced. Further headers, such as a
    token, and the authority of its certificate by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE)."""
    share: float = 0.01
    """Of the messages, 0 to 1, by chance. Those of which a warning came are always traced."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share = {self.share}: from 0 to 1 was meant, such as 0.01 for one message in a hundred")
        if self.otlp is None:
            return
        parts = urlsplit(self.otlp)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                f"otlp = {self.otlp!r}: the address of a collector was meant, such as http://127.0.0.1:4318"
            )
        if not _opentelemetry():
            raise ValueError("otlp: OpenTelemetry is not installed here; `pip install cityhub[otel]` brings it")

    @property
    def address(self) -> str | None:
        """Where traces go: `/v1/traces` below the base address (OTLP specification, "OTLP/HTTP Request")."""
        if self.otlp is None:
            return None
        base = self.otlp.rstrip("/")
        return base if base.endswith("/v1/traces") else f"{base}/v1/traces"


def _opentelemetry() -> bool:
    try:
        return all(find_spec(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:  # a package above it is missing
        return False


class ReportsOptions(msgspec.Struct, frozen=True):
    """[reports]: reports as PDF."""

    font_file: str = ""
    """A TrueType font with Chinese that is put into each report; without it the reader's own is used."""


class CamerasOptions(msgspec.Struct, frozen=True):
    """[cameras]: picture elements per metre that a task needs, where they differ from EN 62676-4:2015."""

    tasks: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, needs in self.tasks.items():
            if not needs > 0:
                raise ValueError(f"tasks: {name} needs a number of picture elements per metre above 0")


class AdapterConfig(msgspec.Struct, frozen=True):
    """One [[adapters]] block: the common keys, and the protocol's own as typed options, those of its codec apart."""

    name: str
    protocol: str
    unknown_devices: str
    options: Any
    line: int
    clock: str = "device"
    """Whose time its readings have: one of `CLOCKS`."""
    codec_options: Any = NoOptions()
    """See `hub.ports.Plugin.codec_options`."""


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
    logging: LoggingOptions = LoggingOptions()
    metrics: MetricsOptions = MetricsOptions()
    tracing: TracingOptions = TracingOptions()
    personal: Personal = Personal()
    reports: ReportsOptions = ReportsOptions()
    oidc: OidcOptions = OidcOptions()

    @property
    def data(self) -> Path:
        return self.folder / self.hub.data

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.hub.timezone)


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "hub": HubOptions,
    "api": ApiOptions,
    "oidc": OidcOptions,
    "store": StoreOptions,
    "rules": RulesOptions,
    "ingest": IngestOptions,
    "log": LogOptions,
    "cameras": CamerasOptions,
    "logging": LoggingOptions,
    "metrics": MetricsOptions,
    "tracing": TracingOptions,
    "personal": Personal,
    "reports": ReportsOptions,
}
