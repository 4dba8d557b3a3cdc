"""Reports that go out by themselves: each day at its hour, to destinations that ask for them (`[[sinks]] reports`).

Due is the newest only: of a hub that was down at the hour the report goes out once it runs again, older ones do not. A new destination begins with
the next hour. What was delivered, or refused for good, is written down first in a small file, so a restart sends nothing twice; a hub that is killed
between the delivery and that file sends it once more, under the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from hub.api.state import State
from hub.app.keeping import REPORTS, Fence, free
from hub.bilingual import Text, joined, quoted
from hub.defects import told
from hub.error_words import words_of
from hub.health import Part
from hub.moment import SECOND
from hub.ports import Delivery, ReportFile, ReportSink, ReportWishes, StoreUnavailable
from hub.whole_file import read

LOOK_S = 30.0
TAKES_S = 300.0
"""How long one delivery may take."""
AGAIN_NS = 300 * SECOND
"""After a delivery that failed for now."""
logger = logging.getLogger(__name__)


class Posting:
    """A loop. Its file in the data folder: destination → report → the span that was handled last. `sinks`: the destinations that take reports; `keep`: how the file is replaced, durably."""

    def __init__(
        self,
        state: State,
        sinks: Callable[[], Mapping[str, ReportSink]],
        data: Path,
        keep: Callable[[Path, bytes], None],
        part: Part,
        fence: Fence = free,
    ) -> None:
        self._fence = fence
        self._state, self._sinks, self._path, self._keep, self._part = state, sinks, data / REPORTS, keep, part
        nothing: dict[str, dict[str, str]] = {}
        self._done = read(self._path, lambda raw: msgspec.json.decode(raw, type=dict[str, dict[str, str]]), nothing)
        self._again: dict[tuple[str, str], int] = {}
        self._wrong: dict[tuple[str, str], Text] = {}
        """Why the last of these has not reached everybody: said until the next one does."""

    async def run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(LOOK_S)

    async def once(self) -> None:
        """Send what is due now, and say how it went."""
        at = self._state.clock()
        sinks = self._sinks()
        self._wrong = {which: why for which, why in self._wrong.items() if which[0] in sinks}
        for name, sink in sinks.items():
            wishes = sink.reports
            for what in wishes.reports if wishes else ():
                assert wishes is not None
                span = due(what, wishes, at, self._state.config.zone)
                last = self._done.get(name, {}).get(what)
                if last is None:  # new: it begins with the next one
                    await self._note(name, what, span)
                elif last != span and self._again.get((name, what), 0) <= at:
                    sent = await self._sent(sink, wishes, what, span, f"{name}/{what}/{span}")
                    if sent.taken or sent.final:
                        await self._note(name, what, span)
                    else:
                        self._again[name, what] = at + AGAIN_NS
                    self._wrong.pop((name, what), None)
                    if not sent.taken or sent.partly:
                        said = Text(f"{name}: {what} {span}: ", f"{name}：{NAMES_ZH[what]} {span} 未送达：")
                        self._wrong[name, what] = said + Text(sent.detail, sent.detail_zh or quoted(sent.detail).zh)
                        logger.warning("report not delivered: %s", self._wrong[name, what].en)
        self._part.report("degraded" if self._wrong else "up", joined(self._wrong.values()))

    async def _sent(self, sink: ReportSink, wishes: ReportWishes, what: str, span: str, key: str) -> Delivery:
        try:
            answer: Any
            if what == "fleet":
                answer = await self._state.fleet(span, None, _all)
            else:
                answer = await self._state.air(span, _all)
            chinese = wishes.language == "zh"
            made = await asyncio.to_thread(self._state.paper, what.partition("-")[0], answer, wishes.form, chinese)
        except (StoreUnavailable, OSError) as error:
            said = Text("it cannot be made now: ", "暂时无法生成：") + words_of(error)
            return Delivery(False, detail=said.en, detail_zh=said.zh)
        except ValueError as error:
            said = Text("it cannot be made: ", "无法生成：") + words_of(error)
            return Delivery(False, final=True, detail=said.en, detail_zh=said.zh)
        name = f"{what.partition('-')[0]}-{span}.{wishes.form}"
        await self._fence()
        report = ReportFile(f"{TITLES[what.partition('-')[0]][chinese]} {span}", name, made)
        try:
            async with asyncio.timeout(TAKES_S):
                return await sink.deliver_report(report, key, self._state.clock())
        except TimeoutError:
            return Delivery(False, detail=f"no outcome within {TAKES_S:g} s", detail_zh=f"{TAKES_S:g} 秒内没有结果")
        except Exception as error:
            # A fault of the sink's code: other destinations get theirs, and this one not one each few seconds.
            logger.exception("a report could not be handed over; report this")
            said = Text("the sink failed: ", "投递程序出错：") + told(error)
            return Delivery(False, detail=said.en, detail_zh=said.zh)

    async def _note(self, name: str, what: str, span: str) -> None:
        self._done.setdefault(name, {})[what] = span
        await asyncio.to_thread(self._keep, self._path, msgspec.json.encode(self._done))


NAMES_ZH = {"air": "空气质量日报", "air-month": "空气质量月报", "fleet": "车队日报"}
TITLES = {"air": ("Air quality report", "环境空气质量报告"), "fleet": ("Fleet report", "车队报告")}


def _all(_: str) -> bool:
    """Whoever set the destination up decides who reads it."""
    return True


def due(what: str, wishes: ReportWishes, at: int, zone: tzinfo) -> str:
    """The newest day or month whose report is due: of yesterday once the hour has come, of last month from its first day's hour on."""
    now = datetime.fromtimestamp(at // SECOND, zone)
    hour = time.fromisoformat(wishes.at)
    today = now.date() if now.time() >= hour else now.date() - timedelta(days=1)
    yesterday = today - timedelta(days=1)
    if what.endswith("-month"):
        return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    return yesterday.isoformat()
