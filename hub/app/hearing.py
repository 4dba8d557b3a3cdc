"""What other machines put into the log is known here before anything is put behind it."""

from __future__ import annotations

from hub.ingest import Ingest
from hub.ports import Log, LogPosition


def hears_from(log: Log, shows: bool, duplicates_max: int) -> tuple[LogPosition, LogPosition]:
    """Places in events and quarantine. A machine that follows nothing hears from the log itself what devices may send again. Blocks."""
    events = log.events
    return events.next if shows else events.before(events.next, duplicates_max), log.quarantine.next


def hear_others(log: Log, ingest: Ingest, since: tuple[LogPosition, LogPosition]) -> None:
    """From those places in events and quarantine on."""
    log.events.hear(since[0], ingest.heard)
    log.quarantine.hear(since[1], lambda others: ())
