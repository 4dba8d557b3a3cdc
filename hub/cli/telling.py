"""The log of the process: plain lines for people, or a JSON object a line; levels for each part; no secrets in either."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from hub.defects import traceback_of
from hub.options import LoggingOptions

HIDDEN = "•••"
_SECRETS = re.compile(
    r"(?P<url>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|(?P<scheme>\b(?:Bearer|Basic|Token|Digest)\s+)[A-Za-z0-9+/=._~-]{6,}"
    r"|(?P<name>\b[a-z_]*(?:password|passwd|secret|token|api_key|psk)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}]+"
    r"|\bwhsec_[A-Za-z0-9+/=]+|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def without_secrets(text: str) -> str:
    """The text without passwords of addresses, tokens, keys, and what stands behind their names."""
    return _SECRETS.sub(lambda found: (found["url"] or found["scheme"] or found["name"] or "") + HIDDEN, text)


def set_up(options: LoggingOptions) -> Callable[[str], None]:
    """Configure the process's logging on standard error; gives what says a sentence about the hub there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if options.format == "json" else _Plain())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    for part, level in options.levels.items():
        logging.getLogger(logger_of(part)).setLevel(level.upper())
    if options.format == "text":
        return lambda sentence: on_stderr(without_secrets(sentence))
    hub = logging.getLogger("hub")
    if not hub.isEnabledFor(logging.INFO):  # what changes is always said, whatever is left out of the rest
        hub.setLevel(logging.INFO)
    return hub.info


def on_stderr(sentence: str) -> None:
    """A disk that is full behind it, or nobody who reads it any more, is no reason to work no more."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


def take_what_nobody_caught(loop: asyncio.AbstractEventLoop) -> None:
    """What brings down a task, a thread or the process is said by the log's formatters too: asyncio and Python would write the exception's words."""
    log = logging.getLogger("hub")

    def of_loop(_: object, context: Mapping[str, Any]) -> None:
        log.error("%s; report this", context["message"], exc_info=context.get("exception"))

    def of_thread(about: threading.ExceptHookArgs) -> None:
        log.error("a thread has failed; report this", exc_info=about.exc_value)

    def of_process(_: object, error: BaseException, __: object) -> None:
        log.critical("the hub has failed; report this", exc_info=error)

    loop.set_exception_handler(of_loop)
    threading.excepthook, sys.excepthook = of_thread, of_process


def logger_of(part: str) -> str:
    """ "delivery" → "hub.delivery"; names of other trees (`adapters.mqtt`, `rules`) stay."""
    return part if part.split(".")[0] in ("hub", "adapters", "rules", "uvicorn", "cityhub") else f"hub.{part}"


class _Plain(logging.Formatter):
    def formatException(self, ei: Any) -> str:
        return traceback_of(ei[1])

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def _json() -> logging.Formatter:
    """{"timestamp", "level", "logger", "event", "exception"?} as the JSON renderer of structlog writes it."""
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(lambda about: traceback_of(about[1])),
            _clean,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _clean(logger: Any, name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: without_secrets(value) if isinstance(value, str) else value for key, value in event.items()}
