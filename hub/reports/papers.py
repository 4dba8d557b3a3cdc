"""The reports that people hand in, as files: which there are, and in which forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from hub.moment import from_text, to_zone_text
from hub.options import Config
from hub.reports import air_paper, fleet_paper
from hub.reports.paper import Document, as_xlsx
from hub.reports.paper_pdf import as_pdf

MINUTE = 16
"""Characters of a time to the minute."""
FORMS: Mapping[str, Callable[[Document, Path | None], bytes]] = {
    "pdf": as_pdf, "xlsx": lambda document, _: as_xlsx(document),
}  # fmt: skip


def paper(config: Config, what: str, answer: Mapping[str, Any], form: str, at: int, chinese: bool) -> bytes:
    """The report on what the hub answered about `what` (air, fleet), made `at` (ns), in one of `FORMS`. Raises `NoFont`."""
    zone = config.zone
    made = _minute(at, zone)
    font = Path(config.reports.font_file) if config.reports.font_file else None
    if what == "air":
        document = air_paper.document(answer, config.hub.name, made, chinese)
    else:
        lines = fleet_paper.with_times(answer["vehicles"], lambda at: _minute(from_text(at), zone) if at else "")
        document = fleet_paper.document({**answer, "vehicles": lines}, config.hub.name, made, chinese)
    return FORMS[form](document, font)


def _minute(at: int, zone: tzinfo) -> str:
    """A time of the city, to the minute."""
    return to_zone_text(at, zone)[:MINUTE].replace("T", " ")
