"""Keys of an `[[adapters]]` block with protocol = "mqtt"."""

from __future__ import annotations

import ssl
from urllib.parse import SplitResult, urlsplit

import msgspec

from adapters.mqtt.codec import V5, V311
from hub.identity import topic_level
from hub.secret_files import secret
from hub.tls import ClientTls

FORMATS = ("json", "senml-json", "senml-cbor", "sparkplug")
VERSIONS = {"5": V5, "5.0": V5, "3.1.1": V311}


class MqttOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A broker, topics, and what their payloads are."""

    connect: str | None = None
    """"mqtt://host:1883", or "mqtts://host:8883" for TLS. Without it the hub starts a small broker of its own."""
    listen: str = "tcp://127.0.0.1:1883"
    """Where the hub's own broker listens, when there is no `connect`."""
    topics: list[str]
    """Topic filters; `$share/group/filter` shares the load with other hubs of the same group."""
    format: str = "json"
    """"json" (cityhub's own), "senml-json", "senml-cbor" or "sparkplug"; an MQTT 5 content type of a message wins."""
    map: str | None = None
    """A TOML map: of foreign JSON (see adapters/json), or with format = "sparkplug" of metric names (adapters/sparkplug)."""
    identity: str = ""
    """"topic:N": level N of the topic (from 1) is the device, and a message on it may speak for no other; what does is refused and
    counted as "unauthorised". The broker's access list then decides who may be whom."""
    client_id: str = ""
    """The broker keeps the session under this name; empty: "cityhub-" and the adapter's name. Unique per hub."""
    username: str | None = None
    password_env: str | None = None
    """Environment variable that holds the password."""
    password_file: str | None = None
    """File that holds the password, outside the city folder."""
    version: str = "5"
    """"5" (falls back to 3.1.1 where the broker does not know it) or "3.1.1"."""
    receive_max: int = 2_000
    """Messages in flight: received, and not yet answered because the log does not have them yet."""
    session_expiry_s: int = 86_400
    """How long the broker keeps messages for a hub that is away (MQTT 5; under 3.1.1 the broker decides)."""
    keepalive_s: int = 30
    """The broker must be heard at least this often; it is asked when it is silent."""
    packet_bytes_max: int = 1_048_576
    """Longer messages are refused."""
    connect_timeout_s: float = 10.0
    """TCP, TLS, CONNACK and SUBACK must be through by then."""
    reconnect_min_s: float = 1.0
    """First pause before connecting again; doubles each time, with full jitter."""
    reconnect_max_s: float = 60.0
    """Longest pause before connecting again."""
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    tls_cert_file: str | None = None
    """PEM file of the hub's own certificate chain, where the broker asks for one."""
    tls_key_file: str | None = None
    """PEM file of its private key; none where it stands in `tls_cert_file`."""
    tls_crl_file: str | None = None
    """PEM file of what the authorities of `tls_ca_file` took back: a broker with such a certificate is not spoken to."""

    def __post_init__(self) -> None:
        url = self._url()
        if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
            raise ValueError(f"connect = {self.connect!r}: it should look like mqtt://host:1883 or mqtts://host:8883")
        if url.username is not None or url.password is not None:
            raise ValueError("connect: put the user into username and name the password's place by password_env")
        if self.tls_crl_file is not None and self.tls_ca_file is None:
            raise ValueError("tls_crl_file needs the authority that took back: tls_ca_file")
        _ = url.port  # raises ValueError for a port that is none
        if not self.topics or len(self.topics) > 1000:
            raise ValueError("topics: 1 to 1000 topic filters are needed")
        for topic in self.topics:
            check_filter(topic)
        if self.format not in FORMATS:
            raise ValueError(f"format = {self.format!r}: it should be one of {', '.join(FORMATS)}")
        if self.map is not None and self.format.startswith("senml"):
            raise ValueError(f"map and format = {self.format!r} exclude each other: a map reads foreign JSON")
        if self.connect is None:
            self.bind()
        if self.identity:
            topic_level(self.identity)
        if self.version not in VERSIONS:
            raise ValueError(f"version = {self.version!r}: it should be 5 or 3.1.1")
        if not 1 <= self.receive_max <= 65_535:
            raise ValueError("receive_max must be 1 to 65535")
        if not 1 <= self.keepalive_s <= 65_535:
            raise ValueError("keepalive_s must be 1 to 65535")
        if not 0 <= self.session_expiry_s <= 0xFFFF_FFFF:
            raise ValueError("session_expiry_s must be 0 to 4294967295")
        if not 1_024 <= self.packet_bytes_max <= 268_435_455:
            raise ValueError("packet_bytes_max must be 1024 to 268435455")

    def _url(self) -> SplitResult:
        return urlsplit(self.connect or "mqtt://127.0.0.1")

    @property
    def host(self) -> str:
        return self._url().hostname or ""

    @property
    def port(self) -> int:
        url = self._url()
        return url.port or (8883 if url.scheme == "mqtts" else 1883)

    def bind(self) -> tuple[str, int]:
        """Where the hub's own broker listens. Raises ValueError with a sentence."""
        url = urlsplit(self.listen)
        if url.scheme != "tcp" or not url.hostname or url.port is None:
            raise ValueError(f"listen = {self.listen!r}: it should look like tcp://127.0.0.1:1883")
        return url.hostname, url.port

    def password(self) -> str | None:
        """The password. Raises ValueError with a sentence where its place is empty."""
        return secret("password", self.password_env, self.password_file) or None

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for mqtts://, None for mqtt://. Raises OSError or ssl.SSLError for unreadable files."""
        return client_tls(
            self.connect or "", self.tls_ca_file, self.tls_cert_file, self.tls_key_file, self.tls_crl_file
        )


def client_tls(
    url: str, ca_file: str | None, cert_file: str | None, key_file: str | None, crl_file: str | None
) -> ssl.SSLContext | None:
    """For one connection: made anew for each, so that renewed files hold from the next on. Raises OSError that names the file."""
    if urlsplit(url).scheme != "mqtts":
        return None
    return ClientTls(ca_file, cert_file, key_file, crl_file).context


def check_filter(topic: str) -> None:
    """Raises ValueError with a sentence for what no broker takes as a topic filter (MQTT 5 §4.7, §4.8.2)."""
    if not topic or len(topic.encode()) > 65_535 or "\x00" in topic:
        raise ValueError(f"topics: {topic!r} is no topic filter")
    levels = topic.split("/")
    if levels[0] == "$share" and (len(levels) < 3 or not levels[1] or "+" in levels[1] or "#" in levels[1]):
        raise ValueError(f"topics: {topic!r} should look like $share/group/filter")
    for at, level in enumerate(levels):
        if ("#" in level and (level != "#" or at != len(levels) - 1)) or ("+" in level and level != "+"):
            raise ValueError(f"topics: {topic!r}: + stands for a whole level, # for all levels at the end")
