"""A sensor that POSTs SenML JSON over CoAP (confirmable) and keeps each pack until it hears 2.04."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import aiocoap

from simulators.devices.faults import Faults
from simulators.devices.report import Outbox, Report

SENML_JSON = 110
UNITS = {
    "wind_speed": "m/s", "wind_direction": "deg", "air_temperature": "Cel", "relative_humidity": "%RH", "air_pressure": "hPa",
    "visibility": "m", "rain_intensity": "mm/h", "battery": "%EL", "rssi": "dBm",
}  # fmt: skip
"""Units as SenML names them (RFC 8428 and RFC 8798 registries)."""


def pack(device: str, report: Report) -> bytes:
    """One SenML pack (RFC 8428): the base name carries the device, the base time the moment."""
    records: list[dict[str, object]] = []
    for metric, value in report.values.items():
        record: dict[str, object] = {"n": metric}
        if isinstance(value, bool):
            record["vb"] = value
        elif isinstance(value, str):
            record["vs"] = value
        elif isinstance(value, int | float):
            record["v"] = value
            if metric in UNITS:
                record["u"] = UNITS[metric]
        else:
            continue
        records.append(record)
    if records:
        records[0] = {"bn": device + "/", "bt": report.at / 1e9} | records[0]
    return json.dumps(records, separators=(",", ":")).encode()


class CoapSensor:
    """One device."""

    def __init__(self, device: str, faults: Faults | None = None) -> None:
        self.device = device
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.outbox = Outbox()
        self._news = asyncio.Event()

    def send(self, report: Report) -> None:
        self.outbox.put(report)
        self._news.set()

    async def run(self, address: str) -> None:
        """Until cancelled."""
        base = address if "://" in address else f"coap://{address}"
        uri = base.rstrip("/") + ("" if urlsplit(base).path.strip("/") else "/readings")
        context = await aiocoap.Context.create_client_context()
        try:
            while True:
                report = next(iter(self.outbox), None)
                if report is None:
                    self._news.clear()
                    await self._news.wait()
                    continue
                await asyncio.sleep(self.faults.wait_s())
                done = False
                for sent in self._line.carry([pack(self.device, report)]):
                    request = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=sent)
                    request.opt.content_format = SENML_JSON
                    with suppress(aiocoap.error.Error, OSError, TimeoutError):
                        answer = await asyncio.wait_for(context.request(request).response, 20)
                        done = done or answer.code.is_successful() or 128 <= int(answer.code) < 160
                if done:
                    self.outbox.take_back(report)
                else:
                    await asyncio.sleep(2.0)
        finally:
            await context.shutdown()
