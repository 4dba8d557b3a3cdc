"""An alert change as an e-mail. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from email.utils import format_datetime

from hub.bilingual import CHANGES_ZH, LEVELS_ZH
from hub.model import AlertChange, Position
from hub.moment import SECOND
from hub.ports import ReportFile

WORDS = {
    "raised": "", "escalated": "↑ ", "lowered": "↓ ", "cleared": "✓ ", "expired": "✓ ", "acknowledged": "… ",
    "shelved": "… ", "unshelved": "… ", "called": "☎ ",
}  # fmt: skip


def message_id(key: str, domain: str) -> str:
    """The same for every attempt, so that mail programs drop a repetition."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}.cityhub@{domain}>"


def build(
    change: AlertChange, key: str, sender: str, recipients: Sequence[str], zone: tzinfo = UTC, language: str = "en"
) -> EmailMessage:
    """Plain text in English ("en") or Chinese ("zh"). All mails of one alert form one thread."""
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    mail = EmailMessage()
    title = " ".join((_title(change, language) or f"{change.rule}: {change.subject}").split())
    level = LEVELS_ZH.get(change.level, change.level) if language == "zh" else change.level
    mail["Subject"] = f"[{level}] {WORDS.get(change.change.value, '')}{title}"[:200]
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(change.at // SECOND, UTC))
    mail["Message-ID"] = message_id(key, domain)
    if change.ordinal:
        first = message_id(f"{change.alert}#0", domain)
        mail["In-Reply-To"] = mail["References"] = first
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Cityhub-Alert"] = hashlib.sha256(change.alert.encode()).hexdigest()[:32]
    mail.set_content(text_zh(change, zone) if language == "zh" else text(change, zone), cte="base64")
    return mail


def with_file(
    report: ReportFile, media: tuple[str, str], key: str, at: int, sender: str, recipients: Sequence[str]
) -> EmailMessage:
    """A report as an attachment; `at`: when it is sent (ns)."""
    mail = EmailMessage()
    mail["Subject"] = report.title
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(at // SECOND, UTC))
    mail["Message-ID"] = message_id(key, sender.rpartition("@")[2].strip("> ") or "localhost")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(report.title, cte="base64")
    mail.add_attachment(report.data, maintype=media[0], subtype=media[1], filename=report.name)
    return mail


def _title(change: AlertChange, language: str) -> str:
    return change.title_zh or change.title if language == "zh" else change.title


def text(change: AlertChange, zone: tzinfo) -> str:
    at = datetime.fromtimestamp(change.at // SECOND, zone).isoformat(" ")
    lines = [change.title or change.rule, "", f"{change.change.value}, {change.level}, {at}", f"rule: {change.rule}"]
    lines.append(f"subject: {change.subject}" + (f", {change.area}" if change.area else ""))
    lines += [f"{name}: {value}" for name, value in change.values.items()]
    if change.title_now:
        lines.append(f"now: {change.title_now}")
    if change.reason:
        lines.append(change.reason)
    if change.position:
        lines += ["", f"place: {_place(change.position)}"]
    if change.cameras:
        lines += ["", "cameras:"]
        lines += [
            f"- {view.name or view.camera}: {view.reason} {view.stream_url or ''}".rstrip() for view in change.cameras
        ]
    if change.who or change.note:
        lines += ["", f"{change.who}: {change.note}"]
    if change.late:
        lines += ["", "raised by data that came late"]
    return _sendable(lines)


def text_zh(change: AlertChange, zone: tzinfo) -> str:
    """The same in Chinese. The values stand in the reason, under their Chinese names."""
    at = datetime.fromtimestamp(change.at // SECOND, zone).isoformat(" ")
    level, what = LEVELS_ZH.get(change.level, change.level), CHANGES_ZH[change.change]
    lines = [_title(change, "zh") or change.rule, "", f"{what}，{level}，{at}", f"规则：{change.rule}"]
    lines.append(f"对象：{change.subject}" + (f"，{change.area}" if change.area else ""))
    if now := change.title_now_zh or change.title_now:
        lines.append(f"现在：{now}")
    if reason := change.reason_zh or change.reason:
        lines.append(f"原因：{reason}")
    if change.position:
        lines += ["", f"位置：{_place(change.position)}"]
    if change.cameras:
        lines += ["", "摄像机："]
        lines += [
            f"- {view.name or view.camera}：{view.reason_zh or view.reason} {view.stream_url or ''}".rstrip()
            for view in change.cameras
        ]
    if change.who or change.note:
        lines += ["", f"{change.who}：{change.note}"]
    if change.late:
        lines += ["", "由迟到数据触发"]
    return _sendable(lines)


def _place(position: Position) -> str:
    lat, lon = position.lat, position.lon
    return (
        f"{lat:.6f}, {lon:.6f}  https://www.openstreetmap.org/?mlat={lat:.6f}&mlon={lon:.6f}#map=17/{lat:.6f}/{lon:.6f}"
    )


def _sendable(lines: Sequence[str]) -> str:
    return "\n".join(lines).encode("utf-8", "replace").decode()
