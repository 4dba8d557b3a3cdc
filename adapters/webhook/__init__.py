"""Alert changes as signed HTTP requests. See README.md."""

from adapters.webhook.sink import WebhookOptions, WebhookSink
from hub.ports import Plugin


def _sink(name: str, options: WebhookOptions) -> WebhookSink:
    return WebhookSink(options)


PLUGIN = Plugin(
    protocol="webhook",
    summary="alert changes as JSON by HTTP POST, signed as Standard Webhooks has it",
    sink_options=WebhookOptions,
    sink=_sink,
)
