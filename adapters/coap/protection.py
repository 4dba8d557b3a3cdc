"""OSCORE (RFC 8613) for devices that come to the hub: contexts agreed beforehand, one folder for each device.

A folder has aiocoap's own form (`aiocoap.oscore.FilesystemSecurityContext`): `settings.json` or `secret.json` with `sender-id_hex`,
`recipient-id_hex` and `secret_hex`; the hub writes `sequence.json` and `lock` beside them. The folder's name is the device for
which the context may speak.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_NOT_INSTALLED = "oscore_dir needs packages that are not installed; they come with: pip install cityhub[oscore]"


def contexts_of(folder: str) -> Sequence[Path]:
    """The folders of contexts. Raises ValueError with a sentence where there are none or a package is missing."""
    try:
        import aiocoap.oscore_sitewrapper  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{_NOT_INSTALLED} ({error})") from None
    found = sorted(path for path in Path(folder).iterdir() if path.is_dir()) if Path(folder).is_dir() else []
    if not found:
        raise ValueError(f"oscore_dir = {folder!r}: no folder of a context in it")
    for path in found:
        if not (path / "settings.json").exists() and not (path / "secret.json").exists():
            raise ValueError(f"{path}: neither settings.json nor secret.json stands in it")
    return found


class Contexts:
    """The opened contexts of all devices. Raises ValueError with a sentence for one that cannot be used."""

    def __init__(self, folders: Sequence[Path]) -> None:
        from aiocoap.credentials import CredentialsMap
        from aiocoap.oscore import FilesystemSecurityContext
        from filelock import Timeout

        self._map = CredentialsMap()
        for path in folders:
            try:
                context = FilesystemSecurityContext(str(path))
            except (FilesystemSecurityContext.LoadError, ValueError, OSError, binascii.Error, TypeError) as error:
                raise ValueError(f"{path}: no usable OSCORE context ({error})") from None
            except Timeout:
                raise ValueError(f"{path}: another process has this OSCORE context") from None
            context.authenticated_claims = [path.name]
            self._map[path.name] = context

    def close(self) -> None:
        """Write sequence numbers and replay windows down, and give the folders' locks back.

        aiocoap itself does so only when the objects are collected, too late for an adapter that is started again.
        """
        for context in self._map.values():
            context._destroy()
        self._map.clear()

    def guard(self, site: Any) -> Any:
        """The site behind these contexts; what comes unprotected reaches it too, and it decides."""
        from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

        return OscoreSiteWrapper(site, self._map)


def speaker(remote: Any) -> str | None:
    """The device that a protected request has proved to come from, None for an unprotected one."""
    claims = remote.authenticated_claims if hasattr(remote, "security_context") else None
    return str(next(iter(claims))) if claims else None


def endpoint(remote: Any) -> tuple[Any, ...]:
    """Address and port a request came from, protected or not."""
    address: tuple[Any, ...] = getattr(remote, "underlying_address", remote).sockaddr[:2]
    return address
