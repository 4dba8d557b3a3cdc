"""The city's store as `hub.toml` names it, its secrets fetched from where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.options import StoreOptions
from hub.secret_files import secret
from hub.store import open_store
from hub.store.rollups import RollupStore


def open_city_store(options: StoreOptions, folder: Path, areas: Mapping[str, str] | None = None) -> RollupStore:
    """Raises ValueError where a secret cannot be found, `StoreUnavailable` where the store cannot be opened."""
    given: dict[str, Any]
    if options.kind == "duckdb":
        given = {"memory_mb": options.memory_mb, "threads": options.threads}
    else:  # what most servers ask for; a kind that a package brings has its own keys in [store.options]
        given = {
            "url": options.url,
            "version": options.version,
            "database": options.database,
            "org": options.org,
            "username": options.username,
            "timeout_s": options.timeout_s,
            "token": secret("token", options.token_env, options.token_file) or None,
            "password": secret("password", options.password_env, options.password_file) or None,
        }
    if options.kind == "influxdb":
        given |= {name: getattr(options, name) for name in ("gzip", "batch_lines", "batch_bytes", "ca_file")}
    return open_store(options.kind, given | options.options, folder, areas)
