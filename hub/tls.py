"""TLS of what the hub serves and of what it asks: certificates that are read again without a restart, lists of what was taken back, and who a certificate
says somebody is."""

from __future__ import annotations

import logging
import re
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from hub.bilingual import Text, quoted
from hub.moment import from_datetime

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How soon a renewed certificate, or a new list of what was taken back, is gone by."""
Stamps = tuple[tuple[int, int] | None, ...]


def valid_until(file: str) -> int:
    """When the first of a file's certificates ends, ns UTC: whoever believes one that is older than that is rare. Raises OSError or ValueError."""
    return min(_ends(file))


def believed_until(file: str) -> int:
    """When the last of a file's authorities ends, ns UTC: one that is followed by another stands beside it for a while. Raises OSError or ValueError."""
    return max(_ends(file))


def _ends(file: str) -> list[int]:
    found = x509.load_pem_x509_certificates(Path(file).read_bytes())
    return [from_datetime(one.not_valid_after_utc) for one in found]


def list_span(file: str) -> tuple[int, int]:
    """From when to when an authority's list of what it took back holds, ns UTC; of lists of several authorities the one that ends first. Behind its
    end nobody is believed (RFC 5280, 6.3.3, and OpenSSL's X509_V_ERR_CRL_HAS_EXPIRED). Raises OSError or ValueError."""
    newest: dict[bytes, tuple[int, int]] = {}
    for block in _PEM_LIST.findall(Path(file).read_bytes()):
        one = x509.load_pem_x509_crl(block)
        if one.next_update_utc is not None:
            span = from_datetime(one.last_update_utc), from_datetime(one.next_update_utc)
            issuer = one.issuer.public_bytes()
            newest[issuer] = max(span, newest.get(issuer, span))
    return min(newest.values(), key=lambda span: span[1])


_PEM_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\n?", re.DOTALL)


class _Renewable(ssl.SSLContext):
    """A context that hands each new connection to the one of now.

    Files are never read into a context in use: it would believe the authorities of before beside those of now, go by the older of two
    revocation lists, and resume sessions of peers whose certificates were taken back since.
    """

    now: ssl.SSLContext

    before_each: Callable[[], object] | None = None
    """What is done before each new connection."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        if self.before_each is not None:
            self.before_each()
        return self.now.wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if self.before_each is not None:
            self.before_each()
        return self.now.wrap_socket(*args, **kwargs)


class _Tls(ABC):
    """Files, and the context made of them. Connections made after `renew` see the new files; those that stand keep what they have."""

    def __init__(self, protocol: int, *files: str | None) -> None:
        self._files = files
        self._stamps = _stamps(files)
        self.context = _Renewable(protocol)
        self.context.now = self._made()

    def renew(self) -> bool:
        """Read changed files again; whether there were any. Raises OSError where they cannot be used: the old ones stay in use."""
        stamps = _stamps(self._files)
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        self.context.now = self._made()
        return True

    def renewed(self) -> bool:
        """As `renew`, for who has nobody to tell: files that cannot be used are said once in the journal."""
        try:
            return self.renew()
        except OSError as error:
            logger.warning("the TLS files of before are in use: %s", error)
            return False

    @abstractmethod
    def _made(self) -> ssl.SSLContext:
        """Of the files as they are now. Raises OSError with a sentence."""


class ServerTls(_Tls):
    """What one server shows and believes."""

    def __init__(self, cert: str, key: str | None, client_ca: str | None, crl: str | None, required: bool) -> None:
        """`client_ca`: PEM of the authorities whose client certificates are believed; `crl`: what they took back; `required`: no
        connection without one. Raises OSError with a sentence where a file cannot be used."""
        self._cert, self._key, self._client_ca, self._crl, self._required = cert, key, client_ca, crl, required
        super().__init__(ssl.PROTOCOL_TLS_SERVER, cert, key, client_ca, crl)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _show(context, self._cert, self._key)
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED if self._required else ssl.CERT_OPTIONAL
            _believe(context, self._client_ca, "tls_client_ca_file", self._crl)
        return context


class ClientTls(_Tls):
    """What this side shows to servers, and which of theirs it believes."""

    def __init__(
        self,
        ca: str | None,
        cert: str | None = None,
        key: str | None = None,
        crl: str | None = None,
        ca_option: str = "tls_ca_file",
    ) -> None:
        """`ca`: PEM of the authorities that are believed instead of the system's, `crl`: what they took back; `cert` and `key`: what is shown to servers
        that ask; `ca_option`: how the city calls `ca`. Raises OSError with a sentence where a file cannot be used."""
        self._ca, self._cert, self._key, self._crl, self._ca_option = ca, cert, key, crl, ca_option
        super().__init__(ssl.PROTOCOL_TLS_CLIENT, ca, cert, key, crl)

    def _made(self) -> ssl.SSLContext:
        context = ssl.create_default_context() if self._ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._ca is not None:
            _believe(context, self._ca, self._ca_option, self._crl)
        if self._cert is not None:
            _show(context, self._cert, self._key)
        return context


def believing(ca: str) -> ssl.SSLContext:
    """For a client that lives as long as the hub and only believes authorities of its own: `ca` (PEM, the city's `ca_file`) is read again where it has changed
    by the next connection. Raises OSError that names the file."""
    tls = ClientTls(ca, ca_option="ca_file")
    tls.context.before_each = tls.renewed
    return tls.context


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """A certificate chain and its key. Raises OSError that names the files."""
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:
        named = f"tls_cert_file = {cert!r}" + (
            f" with tls_key_file = {key!r}" if key else " (which must hold the key too)"
        )
        raise OSError(
            Text(
                f"{named}: no PEM certificate chain with its private key ({error})",
                f"tls_cert_file = {cert!r}：不是带私钥的 PEM 证书链（{quoted(str(error)).zh}）",
            )
        ) from None


def _believe(context: ssl.SSLContext, file: str, option: str, crl: str | None) -> None:
    """Authorities to trust, and what they took back. Raises OSError that names the file."""
    _read(context, file, option, Text("certificates of authorities", "颁发机构证书"))
    if crl is not None:
        _read(context, crl, "tls_crl_file", Text("lists of what the authorities took back", "证书吊销列表"))
        if not context.cert_store_stats()["crl"]:
            raise OSError(
                Text(
                    f"tls_crl_file = {crl!r}: no PEM lists of what the authorities took back",
                    f"tls_crl_file = {crl!r}：不是 PEM 证书吊销列表",
                )
            )
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _read(context: ssl.SSLContext, file: str, option: str, what: Text) -> None:
    try:
        context.load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise OSError(
            Text(
                f"{option} = {file!r}: no PEM {what.en} ({error})",
                f"{option} = {file!r}：不是 PEM {what.zh}（{quoted(str(error)).zh}）",
            )
        ) from None


def _stamps(files: Sequence[str | None]) -> Stamps:
    return tuple(_stamp_of(path) for path in files)


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
