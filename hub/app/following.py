"""Who follows readings on their way through this hub: histograms (`[metrics] stages`), traces (`[tracing] otlp`), or nobody."""

from __future__ import annotations

import asyncio

from hub.health import Health
from hub.options import Config
from hub.stages import Both, Journey, Stages
from hub.tracing import Traces


class Following:
    """Made as the configuration says. Raises ValueError where that cannot be."""

    def __init__(self, config: Config, node: str, version: str, health: Health) -> None:
        address = config.tracing.address
        self.stages = Stages() if config.metrics.stages else None
        self.traces = (
            Traces(address, config.tracing.share, config.hub.name, node, version) if address is not None else None
        )
        self._part = health.part("tracing", state="up") if self.traces is not None else None

    @property
    def journey(self) -> Journey | None:
        if self.stages is not None and self.traces is not None:
            return Both(self.stages, self.traces)
        return self.stages if self.traces is None else self.traces

    def look(self) -> None:
        """Say how the collector is. A hub without one warns as well as any, so it is never more than degraded."""
        if self._part is not None and self.traces is not None:
            trouble = self.traces.collector.trouble
            self._part.report("degraded" if trouble else "up", trouble)

    async def close(self) -> None:
        if self.traces is not None:
            await asyncio.to_thread(self.traces.close)
