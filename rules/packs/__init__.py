"""The packs that ship: a folder each, with `rules.yaml`, `tests.yaml` and a README."""
