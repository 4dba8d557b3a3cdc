"""Devices that post over HTTP: phones in the OsmAnd manner, and loggers with the hub's own JSON. Kept until answered 200."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

import httpx

from simulators.devices.faults import Faults
from simulators.devices.mqtt import payload
from simulators.devices.report import Outbox, Report

KNOT_KMH = 1.852


def osmand_query(phone: str, report: Report) -> str:
    """The query of the OsmAnd protocol: seconds, degrees, knots."""
    return urlencode(
        {
            "id": phone,
            "timestamp": report.at // 1_000_000_000,
            "lat": f"{report.lat or 0:.6f}",
            "lon": f"{report.lon or 0:.6f}",
            "speed": f"{report.number('speed') / KNOT_KMH:.2f}",
            "bearing": f"{report.number('course'):.0f}",
            "altitude": f"{report.alt:.0f}",
            "accuracy": "4.5",
            "batt": f"{report.number('battery', 80):.0f}",
        }
    )


class Poster:
    """One device; `request` makes its request from a report."""

    def __init__(self, request: Callable[[str, Report], httpx.Request], faults: Faults | None = None) -> None:
        self.request = request
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.outbox = Outbox()
        self._news = asyncio.Event()

    def send(self, report: Report) -> None:
        self.outbox.put(report)
        self._news.set()

    async def run(self, address: str) -> None:
        """Until cancelled."""
        base = address.replace("tcp://", "http://") if "://" in address else f"http://{address}"
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                report = next(iter(self.outbox), None)
                if report is None:
                    self._news.clear()
                    await self._news.wait()
                    continue
                await asyncio.sleep(self.faults.wait_s())
                done = False
                for _ in self._line.carry([b""]):
                    with suppress(httpx.HTTPError):
                        answer = await client.send(self.request(base.rstrip("/"), report))
                        done = done or answer.status_code < 300 or 400 <= answer.status_code < 500
                if done:
                    self.outbox.take_back(report)
                else:
                    await asyncio.sleep(1.0)


def phone(identifier: str, faults: Faults | None = None) -> Poster:
    """A phone that reports to an OsmAnd listener."""
    return Poster(lambda base, report: httpx.Request("GET", f"{base}/?{osmand_query(identifier, report)}"), faults)


def logger(device: str, faults: Faults | None = None) -> Poster:
    """A logger that posts the native JSON to the hub's API."""
    return Poster(
        lambda base, report: httpx.Request(
            "POST",
            f"{base}/api/v1/readings",
            content=payload(device, report),
            headers={"content-type": "application/json"},
        ),
        faults,
    )
