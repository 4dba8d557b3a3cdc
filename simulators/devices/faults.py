"""What goes wrong between a device and the hub, to order: each is a chance or a time, drawn from a seeded source."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Faults:
    """All off by default. Shares are per frame, times in seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """Share of frames that the next one overtakes."""
    corrupt: float = 0.0
    """Share of frames in which one bit is flipped."""
    delay_s: float = 0.0
    """Frames arrive up to this much later."""
    skew_s: float = 0.0
    """Device clocks are up to this far off, either way."""
    reconnect_every_s: float = 0.0
    """All connections break about this often and come back at once: the storm after a mobile mast has rebooted."""
    away_s: float = 0.0
    """A broken connection stays away so long, as in a tunnel; devices gather, and send all when they are back. 0: under a second."""
    slow_bytes_s: float = 0.0
    """Terminals on streams send no faster than this: frames come in drips."""
    random: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        for name in ("delay_s", "skew_s", "reconnect_every_s", "away_s", "slow_bytes_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative")

    def line(self) -> Line:
        """The way of one device to the hub."""
        return Line(self)

    def wait_s(self) -> float:
        return self.random.uniform(0, self.delay_s) if self.delay_s else 0.0

    def skew_ns(self, device: str) -> int:
        """The same for a device for as long as it lives."""
        return round(Random(device).uniform(-self.skew_s, self.skew_s) * 1e9) if self.skew_s else 0

    def strikes(self, share: float) -> bool:
        return share > 0 and self.random.random() < share

    def flip(self, frame: bytes) -> bytes:
        if not frame:
            return frame
        at = self.random.randrange(len(frame))
        return frame[:at] + bytes((frame[at] ^ (1 << self.random.randrange(8)),)) + frame[at + 1 :]


class Line:
    """What arrives of one device's frames, and in which order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: list[bytes] = []
        """A frame that the next one overtakes."""

    def carry(self, frames: list[bytes]) -> list[bytes]:
        """What arrives now."""
        faults = self._faults
        arrived: list[bytes] = []
        for frame in frames:
            if faults.strikes(faults.loss):
                continue
            sent = faults.flip(frame) if faults.strikes(faults.corrupt) else frame
            if not self._held and faults.strikes(faults.reorder):
                self._held.append(sent)
                continue
            arrived += [sent, *self._held]
            self._held.clear()
            if faults.strikes(faults.duplicate):
                arrived.append(sent)
        return arrived
