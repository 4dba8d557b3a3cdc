"""Whether the hub warned as a scenario says it should: a pure function over alert changes, and a place to receive them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.moment import SECOND, from_text
from simulators.scenarios.director import Played
from simulators.scenarios.language import LEVELS, Expect, Silence

BODY_MAX = 4 << 20
"""Bytes of one webhook body."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation and what became of it."""

    scenario: str
    met: bool
    sentence: str


def check(played: Sequence[Played], changes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Compare what was played with the alert changes the hub published (objects of CONTRACTS, in order)."""
    findings = []
    for play in played:
        mine = [
            change for change in changes if play.began_at <= _at(change) and _at(change) <= (play.ended_at or 1 << 62)
        ]
        findings += [_expected(play, expect, mine) for expect in play.scenario.expect]
        findings += [_silent(play, silence, mine) for silence in play.scenario.silence]
    return findings


def changes_of(alerts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All changes in an answer of the hub's `/api/v1/alerts`, in time order."""
    every = [change for state in ("open", "closed") for alert in alerts.get(state) or () for change in alert["changes"]]
    return sorted(every, key=_at)


def _expected(play: Played, expect: Expect, changes: Sequence[Mapping[str, Any]]) -> Finding:
    name, what = play.scenario.scenario, f"{expect.rules[0]} about {expect.subject}"
    about = [change for change in changes if change["subject"] == expect.subject and _rule(change) in expect.rules]
    reached = [
        change
        for change in about
        if change["change"] in ("raised", "escalated") and LEVELS.index(change["level"]) >= LEVELS.index(expect.level)
    ]
    if not reached:
        highest = max((change["level"] for change in about), key=LEVELS.index, default=None)
        return Finding(
            name,
            False,
            f"{what}: never reached {expect.level}" + (f", only {highest}" if highest else "; no warning at all"),
        )
    after = (_at(reached[0]) - play.began_at) / SECOND
    if after > expect.by_s:
        return Finding(name, False, f"{what}: {expect.level} after {after:.0f} s, later than {expect.by_s:.0f} s")
    if expect.cameras:
        named = [view["camera"] for change in about for view in change.get("cameras") or []]
        if not set(named) & set(expect.cameras):
            return Finding(
                name,
                False,
                f"{what}: names {', '.join(dict.fromkeys(named)) or 'no camera'}, not one of {', '.join(expect.cameras)}",
            )
    if expect.source and (likeliest := _likeliest(about)) != expect.source:
        return Finding(name, False, f"{what}: names {likeliest or 'no source'}, not {expect.source}")
    if strangers := _strangers(expect, reached[0], changes):
        return Finding(name, False, f"{what}: not in one group with {', '.join(strangers)}")
    if expect.clear_by_s is not None:
        cleared = [change for change in about if change["change"] == "cleared" and _at(change) >= _at(reached[0])]
        if not cleared:
            return Finding(name, False, f"{what}: never cleared")
        gone = (_at(cleared[-1]) - play.began_at) / SECOND
        if gone > expect.clear_by_s:
            return Finding(name, False, f"{what}: cleared after {gone:.0f} s, later than {expect.clear_by_s:.0f} s")
    return Finding(name, True, f"{what}: {reached[0]['level']} after {after:.0f} s")


def _likeliest(changes: Sequence[Mapping[str, Any]]) -> str:
    """The source that the newest change with an attribution puts first; empty where none names any."""
    named = [
        item["attribution"]["candidates"][0]["source"]
        for change in changes
        for item in change.get("evidence") or ()
        if item.get("attribution", {}).get("candidates")
    ]
    return named[-1] if named else ""


def _strangers(expect: Expect, change: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who should belong to the change's group and does not."""
    together = {
        other["subject"]
        for other in changes
        if other["rule"] == change["rule"] and other.get("group") == change.get("group")
    }
    return [subject for subject in expect.together_with if subject not in together]


def _silent(play: Played, silence: Silence, changes: Sequence[Mapping[str, Any]]) -> Finding:
    name = play.scenario.scenario
    broken = [
        change
        for change in changes
        if change["subject"] == silence.subject
        and change["change"] in ("raised", "escalated")
        and (not silence.rules or _rule(change) in silence.rules)
    ]
    if broken:
        return Finding(name, False, f"{broken[0]['rule']} warned about {silence.subject}, which was to stay silent")
    return Finding(name, True, f"nothing about {silence.subject}, as it should be")


def _rule(change: Mapping[str, Any]) -> str:
    """The rule's own name, without its pack."""
    return str(change["rule"]).rpartition("/")[2]


def _at(change: Mapping[str, Any]) -> int:
    at = change["at"]
    return at if isinstance(at, int) else from_text(str(at))


@dataclass
class Receiver:
    """A stand-in for a video platform: takes webhook bodies over HTTP and keeps the changes. Answers 200 and nothing else."""

    changes: list[dict[str, Any]] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; returns its URL."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}/alerts"

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = next(
                    (int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")), 0
                )
                if length > BODY_MAX:
                    return
                body = json.loads(await reader.readexactly(length))
                self.changes.append(body["data"] if "specversion" in body else body)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()
