"""The running hub: where the parts and the plug-ins meet. Nothing else knows which step of scale it runs on."""

from hub.app.city import City, load_city
from hub.app.hub import Hub

__all__ = ["City", "Hub", "load_city"]
