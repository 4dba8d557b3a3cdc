"""E-mail as a destination, by SMTP (RFC 5321). Delivered is the server's 250 to the message."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from datetime import time
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path

import msgspec

from adapters.email.late import Late, Refused, unasked
from adapters.email.line import Cut, Line, TlsLine
from adapters.email.message import build, with_file
from adapters.wallclock import zone_named
from hub.bilingual import LANGUAGES, Text, quoted
from hub.error_words import words_of
from hub.model import AlertChange
from hub.ports import Delivery, ReportFile, ReportWishes
from hub.secret_files import secret

EXCHANGE = 2.5
"""How many times `timeout_s` a whole exchange may take."""
SECURITY = ("starttls", "tls", "none")
REPORTS = ("fleet", "air", "air-month")
FORMATS = {
    "pdf": ("application", "pdf"), "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}  # fmt: skip
"""Format of a report → its media type."""


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
    reports: list[str] = msgspec.field(default_factory=list)
    """Sent by themselves as attachments: "fleet" and "air" each day, "air-month" on the first of each month."""
    reports_at: str = "07:00"
    """When, by the city's clock."""
    reports_format: str = "pdf"
    """ "pdf" or "xlsx"."""
    timeout_s: float = 20.0
    """For each step of the exchange; the whole of it is cut after two and a half times that."""
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
        if unknown := [what for what in self.reports if what not in REPORTS]:
            raise ValueError(f"reports: {unknown[0]!r} is none; {', '.join(REPORTS)} are")
        if self.reports_format not in FORMATS:
            raise ValueError(f"reports_format = {self.reports_format!r}: one of {', '.join(FORMATS)} was meant")
        try:
            time.fromisoformat(self.reports_at)
        except ValueError:
            raise ValueError(f'reports_at = {self.reports_at!r}: a time such as "07:00" was meant') from None
        zone_named(self.timezone)


class EmailSink:
    """A `hub.ports.Sink`, `RenewingSink` and `RememberingSink`: one connection a mail. Whom the server does not take a mail for, while it takes it for
    others, is tried again alone (`Late`): those must not get it twice, nor wait for one that is greylisted."""

    def __init__(self, options: EmailOptions) -> None:
        self._options = options
        self._password = secret("password", options.password_env, options.password_file)
        self._zone = zone_named(options.timezone)
        self._late = Late()
        self._port = options.port or {"starttls": 587, "tls": 465, "none": 25}[options.security]

        self.reports = (
            ReportWishes(tuple(options.reports), options.reports_at, options.reports_format, options.language)
            if options.reports
            else None
        )

    async def deliver_report(self, report: ReportFile, key: str, now: int) -> Delivery:
        options = self._options
        media = FORMATS[report.name.rpartition(".")[2]]
        mail = with_file(report, media, key, now, options.sender, options.recipients)
        delivery, refused = await self._first(key, mail, now)
        for_good = any(code >= 500 for code, _ in refused.values())
        return msgspec.structs.replace(delivery, partly=delivery.partly and for_good)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if change.change.value not in self._options.changes:
            return Delivery(True, detail=f"no mail for {change.change.value}")
        options = self._options
        mail = build(change, key, options.sender, options.recipients, self._zone, options.language)
        delivery, _ = await self._first(change.alert, mail, now)
        return self._told(delivery)

    def remember_in(self, path: Path) -> None:
        self._late.remember_in(path)

    def due(self, now: int) -> Sequence[str]:
        return self._late.due(now)

    async def renew(self, key: str, now: int) -> Delivery:
        """Once more, to those who have not got it. Whatever comes of it holds up no other mail."""
        waiting = self._late.get(key)
        if waiting is None:
            return Delivery(True)
        delivery, refused = await self._mailed(waiting.message, waiting.recipients)
        if not delivery.taken and not refused and not delivery.final:
            refused = unasked(waiting.recipients)
        await self._late.goes_on(key, waiting, refused, now)
        if not delivery.taken:
            return msgspec.structs.replace(delivery, taken=True, final=False, partly=True)
        return self._told(delivery)

    async def _first(self, key: str, mail: EmailMessage, now: int) -> tuple[Delivery, Refused]:
        """To all. Only when it is on disk for whom it is to be tried again is it taken."""
        delivery, refused = await self._mailed(mail, _addresses(self._options))
        if delivery.taken:
            await self._late.begins(key, mail, refused, now)
        return delivery, refused

    def _told(self, delivery: Delivery) -> Delivery:
        """A mail that reached all makes nothing well for whom another still waits."""
        names = self._late.names() if delivery.taken and not delivery.partly else None
        if names is None:
            return delivery
        return msgspec.structs.replace(delivery, partly=True, detail=names.en, detail_zh=names.zh)

    async def _mailed(self, mail: EmailMessage, recipients: Sequence[str]) -> tuple[Delivery, Refused]:
        """The outcome, and for whom it was not taken."""
        cut, whole_s = Cut(), EXCHANGE * self._options.timeout_s
        timer = asyncio.get_running_loop().call_later(whole_s, cut)
        try:
            refused = await asyncio.to_thread(self._send, mail, recipients, cut)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            final = all(code >= 500 for code in codes)
            shown = ", ".join(map(str, sorted(codes)))
            return Delivery(
                False, final=final, detail=f"no recipient was taken: {codes}", detail_zh=f"收件人均被拒绝：SMTP {shown}"
            ), error.recipients
        except smtplib.SMTPResponseException as error:
            words = (
                error.smtp_error.decode("utf-8", "replace")
                if isinstance(error.smtp_error, bytes)
                else str(error.smtp_error)
            )
            # 535 may be a password that is being changed: a warning is worth coming back for.
            final = 500 <= error.smtp_code <= 599 and error.smtp_code not in (530, 534, 535)
            said = f"SMTP {error.smtp_code} {words}"
            return Delivery(False, final=final, detail=said, detail_zh=f"邮件服务器应答 {quoted(said).zh}"), {}
        except (smtplib.SMTPException, OSError) as error:
            late = Text(f"no outcome within {whole_s:g} s", f"{whole_s:g} 秒内没有结果")
            where, why = f"{self._options.host}:{self._port}", late if cut.done else words_of(error)
            return Delivery(False, detail=f"{where}: {why.en}", detail_zh=f"{where}：{why.zh}"), {}
        finally:  # its thread ends too, also where nobody waits for it any more
            timer.cancel()
            cut()
        if not refused:
            return Delivery(True), refused
        named = ", ".join(f"{one} ({code})" for one, (code, _) in refused.items())
        return Delivery(
            True, partly=True, detail=f"not taken for {named}", detail_zh=f"部分收件人被拒绝：{named}"
        ), refused

    async def close(self) -> None: ...

    def _send(self, mail: EmailMessage, recipients: Sequence[str], cut: Cut) -> Refused:
        """For whom the server did not take it; raises `smtplib.SMTPRecipientsRefused` where it did for nobody."""
        options = self._options
        context = ssl.create_default_context(cafile=options.ca_file)
        server: smtplib.SMTP
        if options.security == "tls":
            server = TlsLine(cut, options.host, self._port, timeout=options.timeout_s, context=context)
        else:
            server = Line(cut, options.host, self._port, timeout=options.timeout_s)
        with server:
            if options.security == "starttls":
                server.starttls(context=context)
            if options.username:
                server.login(options.username, self._password)
            return server.send_message(mail, parseaddr(options.sender)[1], recipients)


def _addresses(options: EmailOptions) -> list[str]:
    return [parseaddr(one)[1] for one in options.recipients]
