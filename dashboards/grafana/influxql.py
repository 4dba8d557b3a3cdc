"""InfluxQL as a panel's query. The SDK has no model of it, so this is the one Grafana's own editor saves.

Only what InfluxDB 1.x, 2.x and 3 share: no SLIMIT, SOFFSET, SAMPLE, HOLT_WINTERS, SHOW SERIES, SHOW … CARDINALITY.

Two rules keep answers right on every server. `$timeFilter` is unaligned milliseconds, so it stands with the raw rows,
innermost, and never outside a `GROUP BY time(…)` (InfluxDB 1.6.7 then finds nothing). And every mean is taken from the hub's rollups,
never from raw points: what a device or the hub marked as doubtful is not in them (hub/store/README.md).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

WHEN = "$timeFilter"
HERE = '"area" =~ /^${area:regex}$/'
"""What is chosen stands in a regular expression, and says so: otherwise Grafana escapes no choice that begins with a digit ("1#泵房 (南)")."""
THIS_DEVICE = '"device" =~ /^${device:regex}$/'
ABOUT_DEVICE = '("subject" =~ /^${device:regex}$/ OR "one" =~ /^${device:regex}$/ OR "other" =~ /^${device:regex}$/)'
"""Alone, or as one of a pair: which two that are stands in fields of their own, since a device may be called as a pair would be."""
EVERY = "GROUP BY time($__interval)"
FAST_MS, HOURLY_MS = 600_000, 3_600_000
"""Minutes are read for charts of intervals up to this. Devices that report by the hour have few minutes, so theirs go further."""
DAY_MS = 86_400_000


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

    @property
    def shown(self) -> tuple[str, ...]:
        """All columns that Grafana makes a table of: the time, the tags it groups by, and what it selects."""
        grouped = re.findall(r'"(\w+)"', self.text.rpartition(" GROUP BY ")[2]) if " GROUP BY " in self.text else []
        return ("Time", *grouped, *self.columns)


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


def lines(text: str, alias: str = "$col") -> Query:
    """Lines over time; every series of the answer is one."""
    return Query(" ".join(text.split()), alias)


def rows(text: str) -> Query:
    """Rows of a table."""
    return Query(" ".join(text.split()))


def rolled(fields: str, family: str, where: str, minutes_to: int = FAST_MS) -> str:
    """A FROM clause: these fields of a family's rollups, of the width that suits the chart's own interval.

    `family` is a measurement's name, or several as `(air|water)`. Rollups of a metric `pm25` have the fields `pm25` (its mean),
    `pm25_min`, `pm25_max`, `pm25_last` and `pm25_count`. Each width has a condition between two numbers, so a server drops
    the two that do not hold before it reads anything.
    """

    def measurement(width: str) -> str:
        return f"/^{family}{width}$/" if family.startswith("(") else f'"{family}{width}"'

    return ", ".join(
        f"(SELECT {fields} FROM {measurement(width)} WHERE {WHEN} AND {guard} AND {where})"
        for width, guard in (
            ("_1m", f"$__interval_ms <= {minutes_to}"),
            ("_1h", f"$__interval_ms > {minutes_to} AND $__interval_ms < {DAY_MS}"),
            ("_1d", f"$__interval_ms >= {DAY_MS}"),
        )
    )


def over_time(
    chosen: str, fields: str, family: str, where: str, by: str = "", fill: str = "null", minutes_to: int = FAST_MS
) -> str:
    """`chosen` of rollups in each interval of the chart; the outer time filter gives the chart its ends."""
    return f"SELECT {chosen} FROM {rolled(fields, family, where, minutes_to)} WHERE {WHEN} {EVERY}{by} fill({fill})"


def newest(fields: str, family: str, where: str, by: str) -> str:
    """The newest value of each field of each series, from minutes: `SELECT last("pm25_last") AS "pm25" …`."""
    return f'SELECT {fields} FROM "{family}_1m" WHERE {WHEN} AND {where} GROUP BY {by}'
