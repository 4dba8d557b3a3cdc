"""The hub over HTTP: readings in, everything a person or a program wants to see out. `docs/api.md` lists the routes."""

from hub.api.routes import build
from hub.api.state import ReaderState, State

__all__ = ["ReaderState", "State", "build"]
