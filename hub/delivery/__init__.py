"""Handing alert changes out: each destination is a reader of the stream "alerts" with a cursor of its own.

stream "alerts" ── Courier "video"  ── sink     one task each: a slow destination delays no other
                ├─ Courier "duty"   ── sink
                └─ …                             Journal: attempts, dead letters, which alerts are followed
"""

from hub.delivery.courier import Courier, Filters, Pace, Status
from hub.delivery.journal import Attempt, DeadLetter, Journal

__all__ = ["Attempt", "Courier", "DeadLetter", "Filters", "Journal", "Pace", "Status"]
