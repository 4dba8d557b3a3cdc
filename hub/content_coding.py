"""Is the body of an HTTP request packed? RFC 9110, 8.4. The hub unpacks none: a few bytes may be packed gigabytes."""

from __future__ import annotations

from collections.abc import Iterable


def packed(headers: Iterable[str]) -> str:
    """How, by all its `Content-Encoding` headers, in a sentence for whoever sent it; "" where it stands as it is."""
    named = [coding.strip().lower() for header in headers for coding in header.split(",")]
    applied = ", ".join(coding for coding in named if coding not in ("", "identity"))
    return f"Content-Encoding {applied[:40]!r} is not unpacked here; send the body as it is" if applied else ""
