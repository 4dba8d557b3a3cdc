"""What a batch of events led to."""

from __future__ import annotations

import msgspec

from hub.model import AlertChange, Reading


class Outcome(msgspec.Struct):
    """What a batch of events led to."""

    changes: list[AlertChange]
    derived: list[Reading]
    failed: list[Exception] = msgspec.field(default_factory=list)
    """What brought down events that were skipped, with its traceback."""
