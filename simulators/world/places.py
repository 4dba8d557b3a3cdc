"""The city folder as the simulators read it: which devices there are, of which kind, and where. Read by itself, not
through the hub's registry."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from simulators.world.geography import Point, to_metres

CITY = Path(__file__).resolve().parents[1] / "city"
"""The demo's city folder."""


@dataclass(frozen=True, slots=True)
class Site:
    """One row of devices.csv. `at` is None for what moves."""

    device: str
    name: str
    kind: str
    at: Point | None
    elevation_m: float
    attributes: dict[str, str]

    @property
    def protocol(self) -> str:
        """How it reports: the part before the colon of its id, else its column `reports_by`, else MQTT."""
        head, colon, _ = self.device.partition(":")
        return head if colon else self.attributes.get("reports_by", "mqtt")

    @property
    def number(self) -> str:
        """Its id within its protocol."""
        return self.device.partition(":")[2] or self.device


def read_sites(folder: Path) -> list[Site]:
    """The devices of a city folder. Raises OSError, or ValueError where a row makes no sense."""
    sites = []
    with (folder / "devices.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            at = to_metres(float(row["lon"]), float(row["lat"])) if row.get("lon") and row.get("lat") else None
            rest = {
                key: text for key, text in row.items() if text and key not in ("device", "name", "kind", "lon", "lat")
            }
            sites.append(
                Site(
                    row["device"],
                    row.get("name", ""),
                    row.get("kind", ""),
                    at,
                    float(row.get("elevation_m") or 0),
                    rest,
                )
            )
    return sites
