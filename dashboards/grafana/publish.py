"""Bring a Grafana in line with the code: teams, data source, folders with their permissions, dashboards, in that order.

Each step looks first and changes only what differs, so that a second run changes nothing. What may pass (no answer,
5xx, 429) is tried again; what Grafana refuses ends the run with its words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import niquests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaServerError, GrafanaTimeoutError

from dashboards.grafana.board import SOURCE_UID
from dashboards.grafana.build import FOLDERS, Page, folder_uid
from dashboards.grafana.look import Language
from dashboards.grafana.zones import with_zones

ATTEMPTS = 5
WAIT_S = 0.5
"""Before the second attempt; doubled for each further one."""
TIMEOUT_S = 15.0
VIEW, EDIT = 1, 2


class PublishError(Exception):
    """Grafana would not, or could not be asked; the text says what and why."""


class Source(NamedTuple):
    """Where Grafana finds the hub's InfluxDB. `url` is as Grafana's server sees it; a token that may read is all it needs."""

    url: str
    database: str
    token: str = ""
    user: str = ""
    password: str = ""

    def body(self) -> dict[str, Any]:
        """The data source as Grafana's API takes it."""
        body: dict[str, Any] = {
            "uid": SOURCE_UID,
            "name": "cityhub",
            "type": "influxdb",
            "access": "proxy",
            "url": self.url,
            "isDefault": False,
            "user": self.user,
            "jsonData": {"version": "InfluxQL", "dbName": self.database, "httpMode": "POST", "timeInterval": "10s"},
        }
        if self.token:
            body["jsonData"]["httpHeaderName1"] = "Authorization"
            body["secureJsonData"] = {"httpHeaderValue1": f"Token {self.token}"}
        elif self.password:
            body["secureJsonData"] = {"password": self.password}
        return body


class Publisher:
    """One run. `say` hears a sentence for each thing that was changed; `changed` counts them."""

    def __init__(
        self, api: GrafanaApi, say: Callable[[str], None] = lambda _: None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._api, self._say, self._sleep = api, say, sleep
        self.changed = 0

    def publish(
        self, pages: Iterable[Page], source: Source | None, hub: str = "", replace_token: bool = False, zones: str = ""
    ) -> None:
        """Everything. Without `source` the data source is left as it is; `hub` is the hub's address for browsers, `zones` where
        maps find the city's zones (`dashboards.grafana.zones.outlines`), else the hub."""
        chosen = list(pages)
        self._try("asked how it is", self._api.health.check)
        teams = self._teams({FOLDERS[page.folder].team for page in chosen})
        if source is not None:
            self._source(source, replace_token)
        self._make_way({page.model["uid"] for page in chosen})
        for folder, language in sorted({(page.folder, page.language) for page in chosen}):
            self._folder(folder, language, teams)
        for page in chosen:
            self._dashboard(page, for_this_city(page.model, hub, zones))

    # ---------------------------------------------------------------------------------------------- steps

    def _teams(self, names: set[str]) -> Mapping[str, int]:
        """Ids of the audiences' teams; those that are missing are made, empty: who belongs to them is for the city to say."""
        return {name: self._team(f"cityhub-{name}") for name in sorted(names - {""})}

    def _team(self, title: str) -> int:
        there = self._find(f"asked for team {title}", lambda: self._api.teams.get_team_by_name(title))
        match = [team for team in there or [] if team["name"] == title]
        if match:
            return int(match[0]["id"])
        made = self._try(f"told to make team {title}", lambda: self._api.teams.add_team({"name": title}))
        self._changed(f"team {title} made")
        return int(made["teamId"])

    def _source(self, source: Source, replace_token: bool) -> None:
        body = source.body()
        there = self._find("asked for the data source", lambda: self._api.datasource.get_datasource_by_uid(SOURCE_UID))
        if there is None:
            self._try("told to make the data source", lambda: self._api.datasource.create_datasource(body))
            self._changed("data source made")
        elif replace_token or any(_differs(there.get(key), value) for key, value in body.items() if key != "secureJsonData") or _lacks_secret(there, body):  # fmt: skip
            self._try(
                "told to change the data source",
                lambda: self._api.datasource.update_datasource_by_uid(SOURCE_UID, body),
            )
            self._changed("data source changed")

    def _folder(self, name: str, language: Language, teams: Mapping[str, int]) -> None:
        folder = FOLDERS[name]
        uid = folder_uid(name, language)
        title = folder.title[0 if language == "en" else 1]
        there = self._find(f"asked for folder {title}", lambda: self._api.folder.get_folder(uid))
        if there is None:
            self._try(f"told to make folder {title}", lambda: self._api.folder.create_folder(title, uid))
            self._changed(f"folder {title} made")
        elif there["title"] != title:
            self._try(
                f"told to rename folder {title}", lambda: self._api.folder.update_folder(uid, title, overwrite=True)
            )
            self._changed(f"folder {title} renamed")
        wanted = permissions(folder.team, teams)
        now = self._try(f"asked who may see {title}", lambda: self._api.folder.get_folder_permissions(uid))
        if _granted(now) != _granted(wanted):
            self._try(f"told who may see {title}", lambda: self._api.folder.update_folder_permissions(uid, wanted))
            self._changed(f"permissions of {title} set")

    def _make_way(self, uids: set[str]) -> None:
        """Folders of earlier versions had the uids of dashboards, which Grafana 12 refuses: drop them where they are empty."""
        for folder in self._find("asked for its folders", lambda: self._api.folder.get_all_folders()) or []:
            if folder["uid"] in uids:
                self._drop_empty(str(folder["uid"]), str(folder["title"]), uids)

    def _drop_empty(self, uid: str, title: str, ours: set[str]) -> None:
        held = self._try(f"asked what {uid} holds", lambda: self._api.client.GET(f"/search?folderUIDs={uid}&limit=100"))
        if any(item["uid"] not in ours for item in held):
            raise PublishError(
                f"the folder {title} ({uid}) has the uid of a dashboard, and something is in it; move that elsewhere and delete it"
            )
        if not held:
            self._try(f"told to delete folder {uid}", lambda: self._api.folder.delete_folder(uid))
            self._changed(f"folder {title} ({uid}) of an earlier version deleted")

    def _dashboard(self, page: Page, model: dict[str, Any]) -> None:
        uid = model["uid"]
        there = self._find(f"asked for {uid}", lambda: self._api.dashboard.get_dashboard(uid))
        folder = folder_uid(page.folder, page.language)
        if there and there.get("meta", {}).get("folderUid") == folder and _same(there["dashboard"], model):
            return
        body = {"dashboard": model, "folderUid": folder, "overwrite": True, "message": "cityhub dashboards publish"}
        self._try(f"given {uid}", lambda: self._api.dashboard.update_dashboard(body))
        self._changed(f"dashboard {model['title']} ({uid}) {'changed' if there else 'made'}")

    # ---------------------------------------------------------------------------------------------- how

    def _changed(self, what: str) -> None:
        self.changed += 1
        self._say(what)

    def _find(self, doing: str, ask: Callable[[], Any]) -> Any:
        """What Grafana has, None where it says there is no such thing."""
        return self._try(doing, ask, missing_is_none=True)

    def _try(self, doing: str, ask: Callable[[], Any], missing_is_none: bool = False) -> Any:
        error: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(WAIT_S * 2 ** (attempt - 1))
            try:
                return ask()
            except (GrafanaServerError, GrafanaTimeoutError, niquests.RequestException, OSError) as trouble:
                error = trouble
            except GrafanaClientError as refusal:
                if refusal.status_code == 404 and missing_is_none:
                    return None
                if refusal.status_code != 429:
                    raise PublishError(
                        f"Grafana, {doing}, answers {refusal.status_code}: {_words(refusal)}"
                    ) from refusal
                error = refusal
            except (GrafanaException, ValueError) as trouble:
                error = trouble
        raise PublishError(f"Grafana, {doing}, failed {ATTEMPTS} times, at last with: {error}")


def connect(url: str, token: str) -> GrafanaApi:
    return GrafanaApi.from_url(url, credential=token, timeout=TIMEOUT_S)


def permissions(team: str, teams: Mapping[str, int]) -> list[dict[str, Any]]:
    """Editors may edit. Everybody signed in may look, or only the folder's own team."""
    items: list[dict[str, Any]] = [{"role": "Editor", "permission": EDIT}]
    return [*items, {"teamId": teams[team], "permission": VIEW} if team else {"role": "Viewer", "permission": VIEW}]


def for_this_city(model: dict[str, Any], hub: str, zones: str = "") -> dict[str, Any]:
    """The dashboard with the hub's address in it, for links to its console, and with the city's zones on every map."""
    if not hub and not zones:
        return model
    model = with_zones(model, zones or f"{hub}/api/v1/geojson/zones")
    for variable in model["templating"]["list"]:
        if hub and variable["name"] == "hub":
            variable["query"] = hub
            chosen = {"selected": True, "text": hub, "value": hub}
            variable["current"], variable["options"] = chosen, [chosen]
    return model


def _same(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Apart from what the server adds of its own."""
    return {key: value for key, value in there.items() if key not in ("id", "version")} == dict(wanted)


def _differs(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return not isinstance(there, dict) or any(_differs(there.get(key), value) for key, value in wanted.items())
    return bool(there != wanted)


def _lacks_secret(there: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Grafana tells only that it has a secret, never which. A changed token is sent by `--replace-token`."""
    return any(name not in (there.get("secureJsonFields") or {}) for name in body.get("secureJsonData", {}))


def _granted(items: Iterable[Mapping[str, Any]]) -> set[tuple[str, int, int]]:
    """(role, team, permission) of those that are not inherited."""
    return {
        (str(item.get("role") or ""), int(item.get("teamId") or 0), int(item["permission"]))
        for item in items
        if not item.get("inherited") and not item.get("userId")
    }


def _words(refusal: GrafanaClientError) -> str:
    told = refusal.response
    return str(told.get("message", told)) if isinstance(told, dict) else str(told or refusal)
