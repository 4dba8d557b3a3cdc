"""OGC SensorThings API 1.1 (18-088), Sensing Core and the filtering extension: the hub's devices and history in the words of that standard.

A device is a Thing with one Sensor, one Location (its newest) and one FeatureOfInterest; a metric is an ObservedProperty; a device's metric is
a Datastream; a stored value is an Observation. Observations that are posted are readings like any other: they go through the front door.
"""

from hub.api.sensorthings.service import ROOT, SensorThings

__all__ = ["ROOT", "SensorThings"]
