"""A small harbour city that moves, and devices that report it over their real protocols. `run` plays it against a hub."""

from simulators.running import DEMO, Player, run
from simulators.scenarios.checking import Finding, Receiver, changes_of, check
from simulators.scenarios.language import Scenario, ScenarioError, find, shipped
from simulators.world.basemap import features as basemap
from simulators.world.places import CITY

__all__ = [
    "CITY",
    "DEMO",
    "Finding",
    "Player",
    "Receiver",
    "Scenario",
    "ScenarioError",
    "basemap",
    "changes_of",
    "check",
    "find",
    "run",
    "shipped",
]
