"""What a codec made of some bytes, as plain data that tests can compare."""

from cityhub.testing.messages import decoded, detail, seen

__all__ = ["decoded", "detail", "seen"]
