"""Certificates, authorities and lists of what was taken back that end: told before nobody gets in any more, also while the hub runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hub.bilingual import Text, joined
from hub.health import Health
from hub.moment import SECOND, to_text
from hub.options import Config
from hub.tls import believed_until, list_span, valid_until

SOON_DAYS, DAY_NS = 21, 86_400 * SECOND
"""Certificates of 90 days are usually renewed 30 days before their end."""
LAST_PART = 10
"""Lists of what was taken back are made anew every day or every week: one is told in the last tenth of its time."""
LOOK_EVERY_S = 60.0
PART = "certificates"
OF_A_LIST = (
    Text("the list of what was taken back", "证书吊销列表"),
    Text("nobody who has to show a certificate is let in any more", "凡须出示证书者均无法接入"),
)
OF_A_CERTIFICATE = (
    Text("the certificate", "证书"),
    Text("nobody who looks at it connects any more", "检查证书者均无法连接"),
)
OF_AN_AUTHORITY = (
    Text("the last authority in it", "其中最后一个颁发机构"),
    Text("nobody whom it signed is believed any more", "由其签发的证书均不再受信任"),
)
"""What ends, and what then holds."""


class Certificates:
    """A part of the hub's health: degraded while one is to be renewed, down once one has ended. The files are looked at as they are now."""

    def __init__(
        self,
        health: Health,
        config: Callable[[], Config],
        now: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health, self._config, self._now, self._monotonic = health, config, now, monotonic
        self._due = monotonic()

    def look(self) -> None:
        if self._monotonic() < self._due:
            return
        self._due = self._monotonic() + LOOK_EVERY_S
        found = list(_ending(self._config(), self._now()))
        known = {part.name for part in self._health.parts()}
        if found or PART in known:
            state = "down" if any(over for over, _ in found) else "degraded" if found else "up"
            worst_first = sorted(found, key=lambda one: (one[0], one[1].en), reverse=True)
            self._health.part(PART).report(state, joined(sentence for _, sentence in worst_first))


def old_certificates(config: Config, at: int) -> list[str]:
    """A sentence for each certificate, authority and list that the configuration names and that has ended, or does so soon."""
    return [sentence.en for _, sentence in _ending(config, at)]


def _ending(config: Config, at: int) -> Iterator[tuple[bool, Text]]:
    """(whether it has ended, the sentence)."""
    for kind, file in _files(config):
        try:
            if kind == "crl_file":
                begins, ends = list_span(file)
                soon = at >= ends - (ends - begins) // LAST_PART
                what, then = OF_A_LIST
            else:
                ends = valid_until(file) if kind == "cert_file" else believed_until(file)
                soon = at >= ends - SOON_DAYS * DAY_NS
                what, then = OF_A_CERTIFICATE if kind == "cert_file" else OF_AN_AUTHORITY
        except (OSError, ValueError):  # whoever uses it says so
            continue
        if at >= ends:
            on = to_text(ends)
            yield (
                True,
                Text(f"{file}: {what.en} ended on {on}; {then.en}", f"{file}：{what.zh}已于 {on} 到期；{then.zh}"),
            )
        elif soon:
            on, left = to_text(ends), _span(ends - at)
            yield (
                False,
                Text(f"{file}: {what.en} ends in {left.en}, on {on}", f"{file}：{what.zh}将在 {left.zh}后（{on}）到期"),
            )


def _files(config: Config) -> dict[tuple[str, str], None]:
    """Kind and path of each file once, in the order of the configuration."""
    blocks: list[object] = [config.api, config.oidc, config.store]
    blocks += [block.options for block in config.adapters] + [block.options for block in config.sinks]
    return {
        (kind, file): None
        for block in blocks
        for name in getattr(block, "__struct_fields__", ())
        for kind in ("cert_file", "ca_file", "crl_file")
        if name.endswith(kind) and isinstance(file := getattr(block, name), str) and file
    }


def _span(left: int) -> Text:
    days = left / DAY_NS
    if days >= 2:
        return Text(f"{days:.0f} days", f"{days:.0f} 天")
    return Text(f"{days * 24:.0f} hours", f"{days * 24:.0f} 小时")
