"""Warnings by e-mail. See README.md."""

from adapters.email.sink import EmailOptions, EmailSink
from hub.ports import Plugin


def _sink(name: str, options: EmailOptions) -> EmailSink:
    return EmailSink(options)


PLUGIN = Plugin(
    protocol="email",
    summary="warnings by e-mail (SMTP)",
    sink_options=EmailOptions,
    sink=_sink,
)
