"""InfluxQL as a panel's query. The SDK has no model of it, so this is the one Grafana's own editor saves.

Only what InfluxDB 1.x, 2.x and 3 share: no SLIMIT, SOFFSET, SAMPLE, HOLT_WINTERS, SHOW SERIES, SHOW … CARDINALITY.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

WHEN = "$timeFilter"
AREA = '"area" =~ /^$area$/'
ROLLUP = "${resolution}"
"""Ends a measurement's name: nothing for raw points, `_1m`, `_1h` or `_1d` for rollups (hub/store/README.md)."""


class Query(NamedTuple):
    """One query as the content of a dashboard states it: rows of a table, or lines over time named by `alias`."""

    text: str
    alias: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names its outermost SELECT gives its columns: what the panel needs to find in the answer."""
        chosen = self.text.partition(" FROM ")[0]
        named = re.findall(r'AS "([^"]+)"', chosen)
        plain = re.findall(r'(?:SELECT |, )"([^"]+)"(?=,|$)', chosen)
        return (*named, *plain)


class InfluxQLTarget(Dataquery):
    """A panel's target in the form of Grafana's InfluxDB data source, InfluxQL, raw query."""

    def __init__(self, ref: str, query: Query, source: DataSourceRef) -> None:
        self.ref_id = ref
        self.query = query
        self.source = source

    def to_json(self) -> dict[str, object]:
        told: dict[str, object] = {
            "refId": self.ref_id,
            "datasource": self.source,
            "rawQuery": True,
            "query": self.query.text,
            "resultFormat": "time_series" if self.query.alias else "table",
        }
        return {**told, "alias": self.query.alias} if self.query.alias else told


def lines(text: str, alias: str = "$tag_device") -> Query:
    """Lines over time; every series of the answer is one."""
    return Query(" ".join(text.split()), alias)


def rows(text: str) -> Query:
    """Rows of a table."""
    return Query(" ".join(text.split()))
