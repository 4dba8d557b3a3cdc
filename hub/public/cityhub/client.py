"""A typed client of a hub's API, for programs of other hands: docs/api.md, "From Python".

from cityhub.client import Client, calls, questions

with Client("https://hub.example:8443", token=...) as hub:
    for page in hub.pages(calls.devices(questions.Devices(kind="river-gauge"))):
        ...
"""

from __future__ import annotations

import cityhub as _opened  # noqa: F401  # the hub's folders can be imported from here on
from hub.api import answers, questions
from hub.client import AsyncClient, Away, Call, Client, Heard, HubError, Refused, calls

__all__ = ["AsyncClient", "Away", "Call", "Client", "Heard", "HubError", "Refused", "answers", "calls", "questions"]
