"""Certificates, authorities and lists of what was taken back that end: told before nobody gets in any more, also while the hub runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

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
            self._health.part(PART).report(state, "; ".join(sentence for _, sentence in sorted(found, reverse=True)))


def old_certificates(config: Config, at: int) -> list[str]:
    """A sentence for each certificate, authority and list that the configuration names and that has ended, or does so soon."""
    return [sentence for _, sentence in _ending(config, at)]


def _ending(config: Config, at: int) -> Iterator[tuple[bool, str]]:
    """(whether it has ended, the sentence)."""
    for kind, file in _files(config):
        try:
            if kind == "crl_file":
                begins, ends = list_span(file)
                soon = at >= ends - (ends - begins) // LAST_PART
                what, then = (
                    "the list of what was taken back",
                    "nobody who has to show a certificate is let in any more",
                )
            else:
                ends = valid_until(file) if kind == "cert_file" else believed_until(file)
                soon = at >= ends - SOON_DAYS * DAY_NS
                what = "the certificate" if kind == "cert_file" else "the last authority in it"
                then = "nobody who looks at it connects any more" if kind == "cert_file" else "nobody whom it signed is believed any more"  # fmt: skip
        except (OSError, ValueError):  # whoever uses it says so
            continue
        if at >= ends:
            yield True, f"{file}: {what} ended on {to_text(ends)}; {then}"
        elif soon:
            yield False, f"{file}: {what} ends in {_span(ends - at)}, on {to_text(ends)}"


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


def _span(left: int) -> str:
    days = left / DAY_NS
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
