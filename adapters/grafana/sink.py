"""One annotation for each warning: made when it is raised, told anew with every change, ended when it is cleared.

Grafana has no idempotency keys, so the annotation carries a tag made from the warning's id and is looked for before it
is made: a change delivered twice finds what it made before.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import msgspec
import niquests
from grafana_client import AsyncGrafanaApi
from grafana_client.client import GrafanaException, GrafanaServerError, GrafanaTimeoutError

from hub.model import AlertChange, Change
from hub.ports import Delivery
from hub.secret_files import secret

MS = 1_000_000
TEMPORARY = frozenset({0, 401, 403, 408, 425, 429})
"""0: nothing came back. A token can be mended, so 401 and 403 wait for that instead of losing warnings."""
ENDING = frozenset({Change.CLEARED, Change.EXPIRED})


class GrafanaOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "grafana"."""

    url: str
    """Grafana's address, such as http://127.0.0.1:3000."""
    token_env: str | None = None
    """Environment variable that holds a service account's token with the right to write annotations."""
    token_file: str | None = None
    """File that holds it."""
    dashboard: str = ""
    """Uid of one dashboard to write on; empty: on all that show annotations with the tag `cityhub`."""
    timeout_s: float = 10.0
    """Of one request."""
    catch_up_days: float = 7.0
    """How far back a new destination begins, as far as the log of alerts reaches; 0: with the next change."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {self.url!r} is no http:// or https:// address")
        if parts.password:
            raise ValueError("url: a password has no place in the address; set token_env or token_file")
        if self.timeout_s <= 0:
            raise ValueError("timeout_s: must be above 0")
        if not 0 <= self.catch_up_days <= 3660:
            raise ValueError("catch_up_days: 0 to 3660")


class GrafanaSink:
    """A `hub.ports.Sink` and `HistorySink`. Raises ValueError when made without a token that can be had."""

    def __init__(self, options: GrafanaOptions) -> None:
        self._options = options
        self.catch_up_s = options.catch_up_days * 86_400
        self._api = AsyncGrafanaApi.from_url(options.url, credential=_token(options), timeout=options.timeout_s)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        tag = alert_tag(change.alert)
        try:
            found = await self._api.annotations.find_annotations(
                tags=[tag], ann_type="annotation", time_from=1, time_to=now // MS + 86_400_000, limit=1
            )
            known = found[0] if found else None
            wanted = annotation(change, tag, known)
            if known is None:
                await self._api.client.POST("/annotations", json=self._placed(wanted))
            elif any(known.get(name) != value for name, value in wanted.items()):
                await self._api.client.PATCH(f"/annotations/{int(known['id'])}", json=wanted)
        except (GrafanaServerError, GrafanaTimeoutError) as error:
            return Delivery(False, detail=str(error))
        except GrafanaException as error:
            final = error.status_code not in TEMPORARY
            return Delivery(False, final=final, detail=f"Grafana answers {error.status_code}: {error}")
        except (niquests.RequestException, OSError) as error:
            return Delivery(False, detail=f"Grafana cannot be reached: {type(error).__name__}: {error}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Delivery(False, detail=f"Grafana's answer makes no sense: {error!r}")
        return Delivery(True, detail="noted")

    def _placed(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {**wanted, "dashboardUID": self._options.dashboard} if self._options.dashboard else wanted

    async def close(self) -> None:
        await self._api.client.s.close()


def alert_tag(alert: str) -> str:
    """A tag that names the warning and needs no escaping in an address."""
    return f"cityhub-{hashlib.sha256(alert.encode()).hexdigest()[:16]}"


def annotation(change: AlertChange, tag: str, known: dict[str, Any] | None) -> dict[str, Any]:
    """What the annotation says after this change. Pure: the same change gives the same body."""
    at = change.at // MS
    began = int(known["time"]) if known else at
    ended = at if change.change in ENDING else max(began, int(known.get("timeEnd") or began) if known else began)
    text = " · ".join(
        part for part in (change.title or change.rule, change.subject, f"{change.change}", change.who) if part
    )
    tags = ["cityhub", tag, f"level:{change.level}", f"rule:{change.rule}"]
    tags += [f"area:{change.area}"] if change.area else []
    return {"time": began, "timeEnd": ended, "tags": tags, "text": text}


def _token(options: GrafanaOptions) -> str:
    found = secret("token", options.token_env, options.token_file)
    if not found:
        raise ValueError("Grafana wants a token: set token_env or token_file")
    return found
