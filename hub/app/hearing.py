"""What other machines put into the log is known here before anything is put behind it, and is in the city's books where this one works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.app.roles import shows, works
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.ports import Elsewhere, Log, LogPosition


def hears_from(log: Log, ledger: Ledger, roles: Sequence[str], duplicates_max: int) -> tuple[LogPosition, LogPosition]:
    """Places in events and quarantine. A machine that follows nothing hears from the log itself what devices may send again."""
    if works(roles):
        return ledger.counted
    events = log.events
    return events.next if shows(roles) else events.before(events.next, duplicates_max), log.quarantine.next


def hear_others(
    log: Log, ledger: Ledger, ingest: Ingest, roles: Sequence[str], since: tuple[LogPosition, LogPosition]
) -> None:
    """From those places in events and quarantine on."""
    working = works(roles)

    def logged(others: Elsewhere) -> Sequence[Any]:
        if working:
            ledger.logged_elsewhere(others.batch)
        return ingest.heard(others)

    def kept_out(others: Elsewhere) -> Sequence[Any]:
        if working:
            ledger.faults_elsewhere(others.batch)
        return ()

    log.events.hear(since[0], logged)
    log.quarantine.hear(since[1], kept_out)
