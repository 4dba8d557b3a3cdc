"""An alert change as an e-mail. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from email.utils import format_datetime

from hub.model import AlertChange
from hub.moment import SECOND

WORDS = {
    "raised": "", "escalated": "↑ ", "lowered": "↓ ", "cleared": "✓ ", "expired": "✓ ", "acknowledged": "… ",
    "shelved": "… ", "unshelved": "… ", "called": "☎ ",
}  # fmt: skip


def message_id(key: str, domain: str) -> str:
    """The same for every attempt, so that mail programs drop a repetition."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}.cityhub@{domain}>"


def build(change: AlertChange, key: str, sender: str, recipients: Sequence[str], zone: tzinfo = UTC) -> EmailMessage:
    """Plain text. All mails of one alert form one thread."""
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    mail = EmailMessage()
    title = " ".join((change.title or f"{change.rule}: {change.subject}").split())
    mail["Subject"] = f"[{change.level}] {WORDS.get(change.change.value, '')}{title}"[:200]
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(change.at // SECOND, UTC))
    mail["Message-ID"] = message_id(key, domain)
    if change.ordinal:
        first = message_id(f"{change.alert}#0", domain)
        mail["In-Reply-To"] = mail["References"] = first
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Cityhub-Alert"] = hashlib.sha256(change.alert.encode()).hexdigest()[:32]
    mail.set_content(text(change, zone), cte="base64")
    return mail


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
        lat, lon = change.position.lat, change.position.lon
        lines += [
            "",
            f"place: {lat:.6f}, {lon:.6f}  https://www.openstreetmap.org/?mlat={lat:.6f}&mlon={lon:.6f}#map=17/{lat:.6f}/{lon:.6f}",
        ]
    if change.cameras:
        lines += ["", "cameras:"]
        lines += [
            f"- {view.name or view.camera}: {view.reason} {view.stream_url or ''}".rstrip() for view in change.cameras
        ]
    if change.who or change.note:
        lines += ["", f"{change.who}: {change.note}"]
    if change.late:
        lines += ["", "raised by data that came late"]
    body = "\n".join(lines)
    return body.encode("utf-8", "replace").decode()
