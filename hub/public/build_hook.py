"""Puts `hub/public/cityhub` into a wheel as `cityhub`. An editable installation must not get a copy of it: it has the folder itself on
its path, which hatchling's own `force-include` does not tell apart."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CityhubHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"][f"{self.root}/hub/public/cityhub"] = "cityhub"
