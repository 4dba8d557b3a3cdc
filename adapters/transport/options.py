"""What a city may say about a stream: where it comes from and what it may use up."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from hub.identity import CERTIFICATE, SESSION, TOKEN
from hub.tls import ClientTls, ServerTls


class StreamOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of `[[adapters]]` for every protocol that is a codec over a stream. Exactly one of listen, connect, file."""

    listen: str | None = None
    """Where devices reach the hub: "tcp://0.0.0.0:8808", "tls://0.0.0.0:8809", "udp://0.0.0.0:8808" or, for a
    multicast group, "udp://239.192.0.4:60004". Port 0 takes any free port."""
    connect: str | None = None
    """What the hub itself connects to, again and again: "tcp://host:port", "tls://host:port", "udp://host:port" or
    "serial:///dev/ttyUSB0?baud=38400&parity=N&stopbits=1&bytesize=8"."""
    hello: str = ""
    """Connecting by TCP, TLS or serial: what the hub says first, on a line of its own, such as `?WATCH={"enable":true,"nmea":true}` to gpsd."""
    file: str | None = None
    """A recording that is read once from start to end (".gz" is unpacked)."""

    connections_max: int = 10_000
    """Connections (TCP) or peers remembered (UDP) at one time; also kept below the process's limit of open files."""
    connections_per_peer_max: int = 2_000
    """Connections or UDP ports of one network address. Mobile operators put many trackers behind one address."""
    idle_timeout_s: float = 900.0
    """A connection without one complete frame for this long is closed, however many single bytes it sends."""
    login_timeout_s: float = 60.0
    """With `login_required`: a connection that has not logged in after this long is closed."""
    handshake_timeout_s: float = 10.0
    """A TLS handshake must be through by then."""
    frames_per_s_max: float = 2_000.0
    """Frames a second of one connection, over a second. TCP and serial are read more slowly, UDP is dropped."""
    bytes_per_s_max: float = 8_000_000.0
    """Bytes a second of one connection, in the same way."""
    in_flight_max: int = 1_000
    """Frames of one connection (UDP: of all peers) that wait for the log. At the limit TCP and serial are not read,
    UDP datagrams are dropped and counted."""
    faults_max: int = 50
    """Close the connection after so many bad frames in a row; 0 never does."""
    reply_buffer_bytes_max: int = 262_144
    """Answers and commands that a peer has not taken; a command beyond it is not sent, a stuck peer is closed."""

    login_required: bool = False
    """Readings of a connection that has not logged in are refused (fault "unauthorised")."""
    relay: bool = False
    """With `login_required`: a connection that has logged in may speak for other devices too (platforms, gateways)."""
    identity: str = ""
    """Whose readings a peer may bring: "certificate": only those of the device that its TLS client certificate names (common name,
    alternative name, or the device's attribute `certificate`; needs `tls_client_ca_file`); "session": only those of the device whose
    message was the first that the hub took on this connection. What is refused is counted as "unauthorised". Without it a
    connection that has logged in speaks only for whom it logged in (unless `relay`)."""
    retry_busy: bool = False
    """While the hub is busy, hold the frames, stop reading, and offer them again (protocols whose devices never
    send twice); otherwise the device is told, or left without an answer, and sends again. Files always hold."""

    tls_cert_file: str | None = None
    """PEM file of the hub's certificate chain (server; or client certificate when connecting)."""
    tls_key_file: str | None = None
    """PEM file of its private key; None when it stands in `tls_cert_file`."""
    tls_ca_file: str | None = None
    """Connecting: PEM file of the authorities to trust instead of the system's."""
    tls_client_ca_file: str | None = None
    """Listening: PEM file of the authorities whose client certificates are required (mutual TLS)."""
    tls_crl_file: str | None = None
    """PEM file of what these authorities took back (CRLs): who shows such a certificate is not let in, or, connecting, not spoken to."""

    reconnect_min_s: float = 1.0
    """First pause before connecting again; doubles each time, with full jitter."""
    reconnect_max_s: float = 60.0
    """Longest pause before connecting again."""

    def __post_init__(self) -> None:
        given = [name for name in ("listen", "connect", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"state exactly one of listen, connect, file; found {' and '.join(given) or 'none'}")
        for name in _LIMITS_AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError("reconnect_max_s must not be less than reconnect_min_s")
        endpoint = self.endpoint()
        if self.hello and (self.connect is None or endpoint.scheme == "udp"):
            raise ValueError(
                "hello is for connections that the hub makes itself: connect = tcp://, tls:// or serial://"
            )
        if self.identity == TOKEN:
            raise ValueError(
                'identity = "token": these protocols have no place for a token; "certificate" (TLS), "session", or a device\'s own code '
                "([ingest] device_secrets_file) was meant"
            )
        if self.identity not in ("", CERTIFICATE, SESSION):
            raise ValueError(f'identity = {self.identity!r}: "certificate" or "session" was meant')
        self._check_tls_keys(endpoint)

    def _check_tls_keys(self, endpoint: Endpoint) -> None:
        """Which files belong together. Raises ValueError with a sentence."""
        if endpoint.scheme == "tls" and self.listen is not None and self.tls_cert_file is None:
            raise ValueError("listening on tls:// needs tls_cert_file (a PEM file with the certificate chain)")
        if self.tls_client_ca_file is not None and (self.tls_cert_file is None or self.listen is None):
            raise ValueError("tls_client_ca_file (mutual TLS) is for listening, and needs tls_cert_file as well")
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_key_file needs the certificate that it belongs to: tls_cert_file")
        if self.tls_crl_file is not None and self.tls_client_ca_file is None and self.tls_ca_file is None:
            raise ValueError(
                "tls_crl_file needs the authority that took back: tls_client_ca_file, or connecting tls_ca_file"
            )
        if self.identity == CERTIFICATE and self.tls_client_ca_file is None:
            raise ValueError('identity = "certificate" needs client certificates: set tls_client_ca_file')
        given = [name for name in _TLS_FILES if getattr(self, name) is not None]
        if given and endpoint.scheme in ("udp", "serial", "file"):
            raise ValueError(f"{given[0]}: there is no TLS over {endpoint.scheme}")

    def endpoint(self) -> Endpoint:
        """The parsed address. Raises ValueError with a sentence."""
        if self.file is not None:
            return Endpoint("file", path=self.file)
        if self.listen is not None:
            return parse_endpoint(self.listen, ("tcp", "tls", "udp"))
        return parse_endpoint(self.connect or "", ("tcp", "tls", "udp", "serial"))

    def server_tls(self) -> ServerTls | None:
        """TLS of accepted connections, None for plain TCP. Raises OSError where a file cannot be used."""
        if self.tls_cert_file is None:
            return None
        client_ca, crl = self.tls_client_ca_file, self.tls_crl_file
        return ServerTls(self.tls_cert_file, self.tls_key_file, client_ca, crl, required=client_ca is not None)

    def client_tls(self) -> ClientTls | None:
        """TLS of connections the hub makes, None for plain TCP. Raises OSError where a file cannot be used."""
        if self.endpoint().scheme != "tls" and self.tls_ca_file is None and self.tls_cert_file is None:
            return None
        return ClientTls(self.tls_ca_file, self.tls_cert_file, self.tls_key_file, self.tls_crl_file)

    def check_tls(self) -> None:
        """Read what TLS will need. Raises OSError with a sentence where a file cannot be used."""
        if self.listen is not None:
            self.server_tls()
        elif self.connect is not None and self.endpoint().scheme != "serial":
            self.client_tls()


_TLS_FILES = ("tls_cert_file", "tls_key_file", "tls_ca_file", "tls_client_ca_file", "tls_crl_file")
_LIMITS_AT_LEAST_ONE = ("connections_max", "connections_per_peer_max", "in_flight_max", "reply_buffer_bytes_max")
_POSITIVE = (
    "idle_timeout_s",
    "login_timeout_s",
    "handshake_timeout_s",
    "frames_per_s_max",
    "bytes_per_s_max",
    "reconnect_min_s",
)


class Endpoint(NamedTuple):
    """An address of a stream; the serial fields count for serial lines only."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    baud: int = 38400
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1


def parse_endpoint(text: str, schemes: tuple[str, ...]) -> Endpoint:
    """Read "tcp://host:port" or "serial:///dev/tty…?baud=…". Raises ValueError with a sentence."""
    parts = urlsplit(text)
    if parts.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{text!r} does not begin with one of {known}")
    if parts.scheme == "serial":
        return _parse_serial(text, parts.path, parts.query)
    try:
        port = parts.port
    except ValueError:
        port = None
    if port is None or not parts.hostname:
        raise ValueError(f"{text!r} needs a host and a port, such as {parts.scheme}://127.0.0.1:8808")
    return Endpoint(parts.scheme, parts.hostname, port)


def _parse_serial(text: str, path: str, query: str) -> Endpoint:
    if not Path(path).is_absolute():
        raise ValueError(f"{text!r} needs a device path, such as serial:///dev/ttyUSB0?baud=38400")
    given = {key: values[-1] for key, values in parse_qs(query).items()}
    unknown = set(given) - {"baud", "bytesize", "parity", "stopbits"}
    if unknown:
        raise ValueError(f"{text!r}: unknown {', '.join(sorted(unknown))}; known are baud, bytesize, parity, stopbits")
    parity = given.get("parity", "N").upper()
    try:
        baud = int(given.get("baud", "38400"))
        bytesize = int(given.get("bytesize", "8"))
        stopbits = float(given.get("stopbits", "1"))
    except ValueError:
        raise ValueError(f"{text!r}: baud, bytesize and stopbits are numbers") from None
    if parity not in "NEOMS" or bytesize not in (5, 6, 7, 8) or stopbits not in (1, 1.5, 2) or baud < 1:
        raise ValueError(f"{text!r}: parity is N, E, O, M or S, bytesize 5 to 8, stopbits 1, 1.5 or 2, baud above 0")
    return Endpoint("serial", path=path, baud=baud, bytesize=bytesize, parity=parity, stopbits=stopbits)
