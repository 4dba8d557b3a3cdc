"""History behind one interface (`hub.ports.Store`): DuckDB in a file, or InfluxDB on a server. Schema: README.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from hub.extensions import Ill, extensions, must_be
from hub.ports import StoreKind
from hub.store.rollups import RollupStore

__all__ = ["DUCKDB", "INFLUXDB", "kind_of", "kinds", "open_store"]


def open_store(
    kind: str, options: Mapping[str, Any], folder: Path, areas: Mapping[str, str] | None = None
) -> RollupStore:
    """The city's store. `options` are the keys of `[store]` beside `kind`, secrets resolved (`token`, `password`).

    `folder` is the hub's data folder; `areas` gives each device of the registry its area, for InfluxDB's tag. Raises
    `StoreUnavailable` where the store cannot be opened now, `msgspec.ValidationError` for options that make no sense,
    ValueError for a kind that is not known.
    """
    store = kind_of(kind).open(
        {name: value for name, value in options.items() if value is not None},
        folder,
        areas if areas is not None else {},
    )
    return cast(RollupStore, store)


def kinds() -> list[str]:
    """Names that `[store] kind` may have."""
    return list(extensions("stores"))


def kind_of(name: str) -> StoreKind:
    """Raises ValueError with a sentence where there is no such kind, or it cannot be used."""
    found = extensions("stores").get(name)
    if found is None:
        raise ValueError(f"unknown store {name!r}; was {' or '.join(kinds())} meant?")
    try:
        kind: StoreKind = found.load(must_be(StoreKind))
    except Ill as error:
        raise ValueError(str(error)) from None
    return kind


# The libraries are heavy, so only the chosen store's is imported.


def _duckdb(options: Mapping[str, Any], folder: Path, areas: Mapping[str, str]) -> RollupStore:
    from hub.store.duckdb import DuckDBOptions, DuckDBStore

    return DuckDBStore(folder, msgspec.convert(dict(options), DuckDBOptions))


def _influxdb(options: Mapping[str, Any], folder: Path, areas: Mapping[str, str]) -> RollupStore:
    from hub.store.influxdb import InfluxDBOptions, InfluxDBStore

    return InfluxDBStore(folder, msgspec.convert(dict(options), InfluxDBOptions), areas or None)


DUCKDB = StoreKind("embedded, one file, no server", _duckdb)
INFLUXDB = StoreKind("InfluxDB 1, 2 or 3 on a server", _influxdb)
