"""What every part of one hub stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hub.api.state import ReaderState
from hub.app.city import City
from hub.app.keeping import Keeping
from hub.cameras import Cameras
from hub.health import Health
from hub.ports import Log
from hub.stages import Journey


@dataclass
class Ground:
    """Made by the hub before its parts. `city` and `cameras` are others after a reload."""

    city: City
    data: Path
    now: Callable[[], int]
    live: bool
    """Whether it lives by the machine's clock and speaks to the world outside; otherwise a recording is played through it."""
    keeping: Keeping
    health: Health
    journey: Journey | None = None
    areas: dict[str, str] = field(default_factory=dict)
    """Of the devices that the registry knows."""
    closely: list[ReaderState] = field(default_factory=list)
    """The readers that follow the log closely, as they begin."""

    def __post_init__(self) -> None:
        self.take_over(self.city)

    @property
    def log(self) -> Log:
        return self.keeping.log

    def take_over(self, city: City) -> None:
        """This city from now on."""
        self.city, registry = city, city.registry
        self.cameras = Cameras(registry.cameras.values(), registry.buildings, city.config.cameras.tasks)
        self.areas.clear()
        self.areas.update({device.device: device.area for device in registry.devices.values()})
