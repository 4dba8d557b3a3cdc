"""The log: numbered entries on disk before anybody is told "stored"; everything behind it is a reader with a cursor.

    Log ── Stream "events" ── Segment files ── frames (a batch each, with its CRC)
        ├─ Stream "alerts"
        ├─ Stream "derived"
        └─ Stream "quarantine"

Why files of our own and not SQLite: docs/decisions/log-in-segment-files.md.
"""

from hub.log.cursors import Cursors
from hub.log.log import Limits, Log, Stream
from hub.log.numbered import numbered
from hub.log.segment import Damage
from hub.ports import LogFull

__all__ = ["Cursors", "Damage", "Limits", "Log", "LogFull", "Stream", "numbered"]
