"""A program's way to a hub over HTTP: what may be asked (`calls`), who asks (`Client`, `AsyncClient`), what is heard (`Heard`), what goes wrong
(`HubError`). Other packages import it as `cityhub.client`."""

from hub.client import calls
from hub.client.asking import AsyncClient, Client
from hub.client.call import Call
from hub.client.errors import Away, HubError, Refused
from hub.client.listening import Heard

__all__ = ["AsyncClient", "Away", "Call", "Client", "Heard", "HubError", "Refused", "calls"]
