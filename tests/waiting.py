"""How long tests wait for what must come."""

PATIENCE_S = 300.0
"""Only what hangs takes longer, also on a machine that has sixteen times the work it can do. Whoever waits looks again and again and goes on
at once, so patience costs a test that passes nothing; a test as a whole has twice as long (`timeout` in pyproject.toml)."""
