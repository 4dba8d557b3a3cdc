"""Handing alert changes out: each destination is a reader of the stream "alerts" with a cursor of its own.

stream "alerts" ── Courier "video"  ── sink     one task each: a slow destination delays no other
                ├─ Courier "duty"   ── sink
                └─ …                             Journal: attempts, dead letters, which alerts are followed

A destination that takes readings too (a hub above) has a second reader, of "events": `ReadingCourier`.
"""

from hub.delivery.courier import BEGINS, Courier, Filters
from hub.delivery.journal import Attempt, DeadLetter, Journal
from hub.delivery.line import Pace, Status
from hub.delivery.readings import ReadingCourier

JOURNAL = "delivery.db"
"""The journal's file in the data folder."""

__all__ = [
    "BEGINS",
    "JOURNAL",
    "Attempt",
    "Courier",
    "DeadLetter",
    "Filters",
    "Journal",
    "Pace",
    "ReadingCourier",
    "Status",
]
