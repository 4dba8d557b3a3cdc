"""History behind one interface (`hub.ports.Store`): DuckDB in a file, or InfluxDB on a server. Schema: README.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.store.rollups import RollupStore

__all__ = ["open_store"]


def open_store(
    kind: str, options: Mapping[str, Any], folder: Path, areas: Mapping[str, str] | None = None
) -> RollupStore:
    """The city's store. `options` are the keys of `[store]` beside `kind`, secrets resolved (`token`, `password`).

    `folder` is the hub's data folder; `areas` gives each device of the registry its area, for InfluxDB's tag. Raises
    `StoreUnavailable` where the store cannot be opened now, `msgspec.ValidationError` for options that make no sense,
    ValueError for a kind that is not known.
    """
    given = {name: value for name, value in options.items() if value is not None}
    # The libraries are heavy, so only the chosen store's is imported.
    if kind == "duckdb":
        from hub.store.duckdb import DuckDBOptions, DuckDBStore

        return DuckDBStore(folder, msgspec.convert(given, DuckDBOptions))
    if kind == "influxdb":
        from hub.store.influxdb import InfluxDBOptions, InfluxDBStore

        return InfluxDBStore(folder, msgspec.convert(given, InfluxDBOptions), areas)
    raise ValueError(f"unknown store {kind!r}; was duckdb or influxdb meant?")
