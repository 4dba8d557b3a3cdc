"""Cameras: who sees a place, an area, a moving thing; how to turn those that turn.

sector    the ground a camera covers            buildings  what stands in the way
grid      the index                             density    pixels on the target, and tasks
ranking   `Cameras`: who sees a point, and why  aiming     the pose of a PTZ camera
covering  a set of cameras for an area          following  who sees a moving target when: the hand-over list
osm       cameras from OpenStreetMap tags   question   what people ask, read
"""

from hub.cameras.density import TASKS
from hub.cameras.ranking import Cameras, Error
from hub.cameras.sector import Sector, footprint, sector

__all__ = ["TASKS", "Cameras", "Error", "Sector", "footprint", "sector"]
