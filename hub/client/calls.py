"""What may be asked of a hub: one function a route, with the types that the hub itself reads and answers with (`hub.api.questions`, `hub.api.answers`).

A test holds them against the routes, so none is missing and none has another path or type than its route.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from hub.api import answers as a
from hub.api import questions as q
from hub.client.call import Call

API = "/api/v1"


def _part(name: str) -> str:
    """A name as a part of a path; it may hold slashes."""
    return quote(name, safe="")


# ------------------------------------------------------------------------------------------------- the hub


def alive() -> Call[a.Alive]:
    return Call("GET", "/healthz", a.Alive)


def ready(asked: q.Readiness | None = None) -> Call[a.Readiness]:
    """Raises `Away` while a required part does not work."""
    return Call("GET", "/readyz", a.Readiness, asked)


def health() -> Call[a.Health]:
    return Call("GET", f"{API}/health", a.Health)


def status(asked: q.Spoken | None = None) -> Call[a.Status]:
    return Call("GET", f"{API}/status", a.Status, asked)


def reload() -> Call[a.Reloaded]:
    return Call("POST", f"{API}/reload", a.Reloaded)


# ------------------------------------------------------------------------------------------------- who asks


def session() -> Call[a.Session]:
    return Call("GET", f"{API}/session", a.Session)


def log_in(user: str, password: str) -> Call[a.Session]:
    """`Client.log_in` keeps what an act needs."""
    return Call("POST", f"{API}/login", a.Session, q.LogIn(user, password))


def log_out() -> Call[a.LoggedOut]:
    return Call("POST", f"{API}/logout", a.LoggedOut)


def users(asked: q.Page | None = None) -> Call[a.Users]:
    return Call("GET", f"{API}/users", a.Users, asked)


def add_user(asked: q.NewUser) -> Call[a.User]:
    return Call("POST", f"{API}/users", a.User, asked)


def change_user(user: str, asked: q.ChangedUser) -> Call[a.User]:
    return Call("POST", f"{API}/users/{_part(user)}", a.User, asked)


def audit(asked: q.Audit | None = None) -> Call[a.AuditEntries]:
    return Call("GET", f"{API}/audit", a.AuditEntries, asked)


# ------------------------------------------------------------------------------------------------- readings in


def readings(told: Sequence[dict[str, Any]]) -> Call[a.Accepted]:
    """Readings as docs/api.md has them: `[{"device": "gauge-7", "time": "…Z", "values": {"water_level": 3.4}}]`. On disk with the answer; after `Away` send
    the same again, as what is known already is no second reading."""
    return Call("POST", f"{API}/readings", a.Accepted, body=msgspec.json.encode(told))


# ------------------------------------------------------------------------------------------------- the present


def city(asked: q.City | None = None) -> Call[a.City]:
    return Call("GET", f"{API}/city", a.City, asked)


def devices(asked: q.Devices | None = None) -> Call[a.Devices]:
    return Call("GET", f"{API}/devices", a.Devices, asked)


def device(name: str, asked: q.Spoken | None = None) -> Call[a.Detail]:
    return Call("GET", f"{API}/devices/{_part(name)}", a.Detail, asked)


def positions(asked: q.Positions | None = None) -> Call[a.Positions]:
    return Call("GET", f"{API}/positions", a.Positions, asked)


def unknown(asked: q.Page | None = None) -> Call[a.Devices]:
    return Call("GET", f"{API}/unknown", a.Devices, asked)


def cameras(asked: q.Cameras) -> Call[a.Cameras]:
    return Call("GET", f"{API}/cameras", a.Cameras, asked)


def geojson(what: str) -> Call[a.Features]:
    """ "zones", "cameras", "footprints" or "devices"."""
    return Call("GET", f"{API}/geojson/{_part(what)}", a.Features)


def vocabulary(asked: q.Words | None = None) -> Call[a.Vocabulary]:
    return Call("GET", f"{API}/vocabulary", a.Vocabulary, asked)


def rules(asked: q.SpokenPage | None = None) -> Call[a.Rules]:
    return Call("GET", f"{API}/rules", a.Rules, asked)


def stream(asked: q.Spoken | None = None) -> Call[bytes]:
    """`Client.listen` reads it."""
    return Call("GET", f"{API}/stream", bytes, asked)


# ------------------------------------------------------------------------------------------------- warnings and work


def alerts(asked: q.Alerts | None = None) -> Call[a.Alerts]:
    return Call("GET", f"{API}/alerts", a.Alerts, asked)


def operate(alert: str, action: str, asked: q.Answered | None = None) -> Call[a.Done]:
    """`action`: "acknowledge", "shelve" (`until`) or "unshelve"; with `level`, only while it is no higher than that."""
    return Call("POST", f"{API}/alerts/{_part(alert)}/{_part(action)}", a.Done, asked)


def write(alert: str, asked: q.Written) -> Call[a.Noted]:
    """A comment, or the mark of a false alarm."""
    return Call("POST", f"{API}/alerts/{_part(alert)}/note", a.Noted, asked)


def notes(asked: q.Notes | None = None) -> Call[a.Notes]:
    return Call("GET", f"{API}/notes", a.Notes, asked)


def hand_over(asked: q.HandOver) -> Call[a.Noted]:
    return Call("POST", f"{API}/handover", a.Noted, asked)


def take_over(asked: q.TakenOver) -> Call[a.Done]:
    return Call("POST", f"{API}/handover/read", a.Done, asked)


def maintenance(asked: q.Page | None = None) -> Call[a.Windows]:
    return Call("GET", f"{API}/maintenance", a.Windows, asked)


def plan(asked: q.Plan) -> Call[a.Planned]:
    return Call("POST", f"{API}/maintenance", a.Planned, asked)


def cancel(id: str, asked: q.Act | None = None) -> Call[a.Done]:
    return Call("POST", f"{API}/maintenance/{_part(id)}/cancel", a.Done, asked)


def command(device: str, asked: q.Command) -> Call[a.Commanded]:
    return Call("POST", f"{API}/devices/{_part(device)}/command", a.Commanded, asked)


# ------------------------------------------------------------------------------------------------- the past


def series(asked: q.Series) -> Call[a.Series]:
    return Call("GET", f"{API}/series", a.Series, asked)


def trips(asked: q.Trips) -> Call[a.Trips]:
    return Call("GET", f"{API}/trips", a.Trips, asked)


def tracks(asked: q.Tracks) -> Call[a.Tracks]:
    return Call("GET", f"{API}/tracks", a.Tracks, asked)


def fleet(asked: q.Fleet | None = None) -> Call[a.Fleet]:
    return Call("GET", f"{API}/fleet", a.Fleet, asked)


def roses(asked: q.Roses) -> Call[a.Roses]:
    return Call("GET", f"{API}/roses", a.Roses, asked)


def rivers(asked: q.Page | None = None) -> Call[a.Rivers]:
    return Call("GET", f"{API}/rivers", a.Rivers, asked)


def air(asked: q.Air | None = None) -> Call[a.Air]:
    return Call("GET", f"{API}/air", a.Air, asked)


def rebuild(asked: q.Rebuild | None = None) -> Call[a.Rollups]:
    return Call("POST", f"{API}/store/rebuild", a.Rollups, asked)


# ------------------------------------------------------------------------------------------------- what went wrong


def admit(asked: q.Admission) -> Call[a.Admitted]:
    return Call("POST", f"{API}/unknown/admit", a.Admitted, asked)


def fence(asked: q.Fence) -> Call[a.Admitted]:
    return Call("POST", f"{API}/zones", a.Admitted, asked)


def refuse(asked: q.Refused) -> Call[a.Refusals]:
    return Call("POST", f"{API}/unknown/refuse", a.Refusals, asked)


def quarantine(asked: q.Quarantine | None = None) -> Call[a.Entries]:
    return Call("GET", f"{API}/quarantine", a.Entries, asked)


def decode(asked: q.Entry) -> Call[a.Decoded]:
    return Call("GET", f"{API}/quarantine/decode", a.Decoded, asked)


def retry(asked: q.Retry | None = None) -> Call[a.Retried]:
    return Call("POST", f"{API}/quarantine/retry", a.Retried, asked)


def delivery(asked: q.SpokenPage | None = None) -> Call[a.Deliveries]:
    return Call("GET", f"{API}/delivery", a.Deliveries, asked)


def deliver(action: str, asked: q.Letters | None = None) -> Call[a.Letters]:
    """`action`: "retry" or "drop"."""
    return Call("POST", f"{API}/delivery/{_part(action)}", a.Letters, asked)


def exercise(asked: q.Exercise) -> Call[a.Exercised]:
    return Call("POST", f"{API}/delivery/test", a.Exercised, asked)
