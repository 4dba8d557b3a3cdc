"""The hub over HTTP: readings in, everything a person or a program wants to see out. `docs/api.md` lists the routes."""
