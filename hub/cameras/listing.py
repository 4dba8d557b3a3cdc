"""Cameras as the text of a `cameras.csv`. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import chain

from hub.model import Camera
from hub.registry import CAMERA_COLUMNS


def to_csv(cameras: Iterable[Camera], nowhere: Iterable[Camera] = ()) -> str:
    """Every column that the registry reads; empty where nothing is known.

    Cameras whose place nobody knows (`nowhere`) come last as comments, to be filled in: the registry takes no camera without one.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, CAMERA_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for camera, placed in chain(((one, True) for one in cameras), ((one, False) for one in nowhere)):
        cells = {name: getattr(camera, name, None) for name in CAMERA_COLUMNS}
        cells["lon"], cells["lat"] = (camera.position.lon, camera.position.lat) if placed else (None, None)
        if not placed:
            cells["camera"] = f"#{camera.camera}"
        cells["presets"] = ";".join(
            f"{one.number}={one.azimuth_deg:g}" + (f"/{one.tilt_deg:g}" if one.tilt_deg is not None else "")
            for one in camera.presets
        )
        # The list's own separators in what people wrote would tear it apart.
        cells["origin"] = ";".join(f"{name}={said.replace(';', ',')}" for name, said in camera.origin.items())
        writer.writerow({name: _cell(value) for name, value in cells.items()})
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None or value is False:
        return ""
    return "true" if value is True else " ".join(str(value).split())
