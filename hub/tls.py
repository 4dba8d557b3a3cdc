"""TLS of what the API serves: certificates that are read again without a restart, and who a client's certificate says it is."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 2.0
"""How soon a renewed certificate is used."""


class _Renewable(ssl.SSLContext):
    """A context that hands each new connection to the one of now.

    Files are never read into a context in use: it would believe the authorities of before beside those of now, go by the older of two
    revocation lists, and resume sessions of clients whose certificates were taken back since.
    """

    now: ssl.SSLContext

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.now.wrap_bio(*args, **kwargs)


class ServerTls:
    """What one server shows and believes. Connections made after `renew` see the new files; those that stand keep what they have."""

    def __init__(self, cert: str, key: str | None, client_ca: str | None, crl: str | None, required: bool) -> None:
        """`client_ca`: PEM of the authorities whose client certificates are believed; `crl`: what they took back; `required`: no
        connection without one. Raises OSError with a sentence where a file cannot be used."""
        self._cert, self._key, self._client_ca, self._crl, self._required = cert, key, client_ca, crl, required
        self._stamps = self._stamp()
        self.context = _Renewable(ssl.PROTOCOL_TLS_SERVER)
        self.context.now = self._made()

    def renew(self) -> bool:
        """Read changed files again; whether there were any. Raises OSError where they cannot be used: the old ones stay in use."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        self.context.now = self._made()
        return True

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        _read(f"tls_cert_file = {self._cert!r}", lambda: context.load_cert_chain(self._cert, self._key))
        if self._client_ca is None:
            return
        context.verify_mode = ssl.CERT_REQUIRED if self._required else ssl.CERT_OPTIONAL
        _read("tls_client_ca_file", lambda: context.load_verify_locations(self._client_ca))
        if self._crl is not None:
            _read("tls_crl_file", lambda: context.load_verify_locations(self._crl))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF

    def _stamp(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp_of(path) for path in (self._cert, self._key, self._client_ca, self._crl))


def _read(what: str, load: Callable[[], Any]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise OSError(f"{what} cannot be used: {error}") from None


def _stamp_of(path: str | None) -> tuple[int, int] | None:
    try:
        found = Path(path).stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino) if found else None


def names_in(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names a verified certificate carries: alternative names first, then common names."""
    if not certificate:
        return ()
    others = [str(value) for _, value in certificate.get("subjectAltName", ())]
    common = [str(value) for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return tuple(dict.fromkeys([*others, *common]))
