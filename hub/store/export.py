"""Rows of any store into a file, by way of a DuckDB table that spills to disk beside the file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from hub.ports import Row
from hub.store.columns import moments, numbers, texts
from hub.store.duckdb import copy_statement

BATCH_ROWS = 50_000


def export_rows(rows: Iterable[Row], form: str, path: Path) -> int:
    """Write `rows` to a CSV or Parquet file in their order; gives their number. Raises OSError where the file cannot be written."""
    path.open("ab").close()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        connection = duckdb.connect(str(Path(folder) / "rows.duckdb"), config={"memory_limit": "128MB", "threads": 1})
        try:
            connection.execute(
                "create table rows (time timestamp_ns, device varchar, kind varchar, metric varchar, value double, "
                "text varchar, quality utinyint, lon double, lat double, received_at timestamp_ns)"
            )
            for columns in _in_columns(rows):
                connection.register("batch", columns)
                connection.execute(f"insert into rows select {', '.join(columns)} from batch")
                connection.unregister("batch")
            return connection.execute(copy_statement("rows", form, path)).fetchall()[0][0]  # type: ignore[no-any-return]
        except duckdb.IOException as error:
            raise OSError(str(error).partition("\n")[0]) from error
        finally:
            connection.close()


def _in_columns(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    coming = iter(rows)
    while batch := list(islice(coming, BATCH_ROWS)):
        yield {
            "time": moments([row.time for row in batch]),
            "device": texts([row.device for row in batch]),
            "kind": texts([row.kind for row in batch]),
            "metric": texts([row.metric for row in batch]),
            "value": numbers([None if isinstance(row.value, str) else row.value for row in batch]),
            "text": texts([row.value if isinstance(row.value, str) else None for row in batch]),
            "quality": np.array([row.quality for row in batch], dtype=np.uint8),
            "lon": numbers([row.lon for row in batch]),
            "lat": numbers([row.lat for row in batch]),
            "received_at": moments([row.received_at for row in batch]),
        }
