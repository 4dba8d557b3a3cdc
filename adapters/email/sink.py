"""E-mail as a destination, by SMTP (RFC 5321). Delivered is the server's 250 to the message."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import parseaddr

import msgspec

from adapters.email.message import build
from adapters.wallclock import zone_named
from hub.bilingual import LANGUAGES
from hub.model import AlertChange
from hub.ports import Delivery
from hub.secret_files import secret

SECURITY = ("starttls", "tls", "none")


class EmailOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "email"."""

    host: str
    sender: str
    """ "City hub <hub@city.example>"."""
    recipients: list[str]
    port: int = 0
    """587 with starttls, 465 with tls, 25 with none, unless stated."""
    security: str = "starttls"
    """ "starttls", "tls", or "none" (for a server on this machine)."""
    username: str = ""
    password_env: str | None = None
    password_file: str | None = None
    changes: list[str] = msgspec.field(default_factory=lambda: ["raised", "escalated", "called", "cleared"])
    """Which changes are worth a mail."""
    timezone: str = "Asia/Shanghai"
    language: str = "en"
    """ "en" or "zh"."""
    timeout_s: float = 20.0
    ca_file: str | None = None

    def __post_init__(self) -> None:
        for address in (self.sender, *self.recipients):
            plain = parseaddr(address)[1]
            if "@" not in plain or any(letter in address for letter in "\r\n"):
                raise ValueError(f"{address!r} is no e-mail address")
        if not self.recipients:
            raise ValueError("recipients: at least one address")
        if self.security not in SECURITY:
            raise ValueError(f"security = {self.security!r}: one of {', '.join(SECURITY)} was meant")
        if self.username and self.security == "none":
            raise ValueError('a password is not sent in the clear: security = "starttls" or "tls" was meant')
        if self.language not in LANGUAGES:
            raise ValueError(f"language = {self.language!r}: one of {', '.join(LANGUAGES)} was meant")
        zone_named(self.timezone)


class EmailSink:
    """A `hub.ports.Sink`: one connection a mail."""

    def __init__(self, options: EmailOptions) -> None:
        self._options = options
        self._password = secret("password", options.password_env, options.password_file)
        self._zone = zone_named(options.timezone)
        self._port = options.port or {"starttls": 587, "tls": 465, "none": 25}[options.security]

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if change.change.value not in self._options.changes:
            return Delivery(True, detail=f"no mail for {change.change.value}")
        options = self._options
        mail = build(change, key, options.sender, options.recipients, self._zone, options.language)
        try:
            return await asyncio.to_thread(self._send, mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            return Delivery(False, final=all(code >= 500 for code in codes), detail=f"no recipient was taken: {codes}")
        except smtplib.SMTPResponseException as error:
            words = (
                error.smtp_error.decode("utf-8", "replace")
                if isinstance(error.smtp_error, bytes)
                else str(error.smtp_error)
            )
            # 535 may be a password that is being changed: a warning is worth coming back for.
            final = 500 <= error.smtp_code <= 599 and error.smtp_code not in (530, 534, 535)
            return Delivery(False, final=final, detail=f"SMTP {error.smtp_code} {words}")
        except (smtplib.SMTPException, OSError) as error:
            return Delivery(False, detail=f"{self._options.host}:{self._port}: {error}")

    async def close(self) -> None: ...

    def _send(self, mail: EmailMessage) -> Delivery:
        options = self._options
        context = ssl.create_default_context(cafile=options.ca_file)
        server: smtplib.SMTP
        if options.security == "tls":
            server = smtplib.SMTP_SSL(options.host, self._port, timeout=options.timeout_s, context=context)
        else:
            server = smtplib.SMTP(options.host, self._port, timeout=options.timeout_s)
        with server:
            if options.security == "starttls":
                server.starttls(context=context)
            if options.username:
                server.login(options.username, self._password)
            refused = server.send_message(
                mail, parseaddr(options.sender)[1], [parseaddr(one)[1] for one in options.recipients]
            )
        if refused:  # some were taken: sending again would reach those twice
            return Delivery(True, detail=f"not taken for {', '.join(refused)}")
        return Delivery(True)
