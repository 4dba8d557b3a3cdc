"""The running hub: where the parts and the plug-ins meet. Nothing else knows which step of scale it runs on."""
