"""`cityhub dashboards build|check|publish`: Grafana's dashboards, made from code."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.app.city import load_words
from hub.cli.output import Problem, command, json_line
from hub.secret_files import secret_of_file

if TYPE_CHECKING:
    from dashboards.grafana.publish import Source


def add(commands: Any) -> None:
    parser = command(commands, "dashboards", dashboards, "Grafana's dashboards: build, check, publish")
    parser.add_argument("action", choices=("build", "check", "publish"))
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="publish: Grafana's address")
    parser.add_argument(
        "--token-env", default="GRAFANA_TOKEN", metavar="NAME", help="publish: variable with a service account's token"
    )
    parser.add_argument("--token-file", metavar="FILE", help="publish: file with that token")
    parser.add_argument("--language", choices=("en", "zh", "both"), default="both")
    parser.add_argument(
        "--hub", default="", metavar="URL", help="publish: the hub as browsers reach it, for links to its console"
    )
    parser.add_argument(
        "--city",
        metavar="DIR",
        help="publish: the city folder whose zones are drawn on maps, and whose metrics.toml names units",
    )
    parser.add_argument(
        "--influx",
        default="",
        metavar="URL",
        help="publish: InfluxDB as Grafana reaches it; without it the data source is left alone",
    )
    parser.add_argument("--database", default="city", help="publish: its database or bucket")
    parser.add_argument(
        "--influx-token-env", metavar="NAME", help="publish: variable with a token that may read the database"
    )
    parser.add_argument("--influx-token-file", metavar="FILE")
    parser.add_argument(
        "--replace-token",
        action="store_true",
        help="publish: send InfluxDB's token again; Grafana never tells the one it has",
    )


def dashboards(options: argparse.Namespace) -> int:
    # The SDK takes half a second to import, which only this command pays.
    return {"build": _build, "check": _check, "publish": _publish}[options.action](options)


def _build(options: argparse.Namespace) -> int:
    """Write the files anew; say what changed."""
    from dashboards.grafana.build import write

    changed = write()
    for sentence in changed:
        _tell(options, "changed", sentence)
    if not changed and not options.json:
        print("the files are what the code makes; nothing changed")
    return 0


def _check(options: argparse.Namespace) -> int:
    """The house linter, and whether the files are what the code makes."""
    from dashboards.grafana.build import drift, pages
    from dashboards.grafana.lint import lint, panels

    made = list(pages())
    faults = [*lint(made), *(f"{sentence}; run `cityhub dashboards build`" for sentence in drift())]
    for sentence in faults:
        _tell(options, "fault", sentence)
    if not faults and not options.json:
        print(f"{len(made)} dashboards with {sum(len(list(panels(page.model))) for page in made)} panels: no faults")
    return 1 if faults else 0


def _publish(options: argparse.Namespace) -> int:
    if options.city:  # before the pages are made: their charts know the city's words too
        wrong = load_words(Path(options.city))
        if wrong:
            raise Problem("\n".join(map(str, wrong)))
    from dashboards.grafana.build import pages
    from dashboards.grafana.publish import Publisher, PublishError, connect
    from dashboards.grafana.zones import ZonesError, outlines

    try:
        zones = outlines(Path(options.city)) if options.city else ""
    except ZonesError as error:
        raise Problem(str(error)) from None
    token = _secret(options.token_file, options.token_env, "Grafana wants a token")
    chosen = [page for page in pages() if options.language in (page.language, "both")]
    api = connect(options.url, token)
    publisher = Publisher(api, lambda sentence: _tell(options, "changed", sentence))
    try:
        publisher.publish(chosen, _source(options), options.hub.rstrip("/"), options.replace_token, zones)
    except PublishError as error:
        raise Problem(str(error)) from None
    finally:
        api.client.s.close()
    if not options.json:
        print(f"{len(chosen)} dashboards are as the code has them; {publisher.changed} things were changed")
    return 0


def _source(options: argparse.Namespace) -> Source | None:
    from dashboards.grafana.publish import Source

    if not options.influx:
        return None
    token = ""
    if options.influx_token_file or options.influx_token_env:
        token = _secret(options.influx_token_file, options.influx_token_env, "InfluxDB's token")
    return Source(options.influx, options.database, token)


def _secret(file: str | None, env: str | None, what: str) -> str:
    if file:
        try:
            return secret_of_file(file)
        except ValueError as error:
            raise Problem(f"{what}: {error}") from None
    if env and os.environ.get(env):
        return os.environ[env]
    raise Problem(f"{what}: the environment variable {env} is not set; set it, or name a file", 2)


def _tell(options: argparse.Namespace, kind: str, sentence: str) -> None:
    if options.json:
        json_line({kind: sentence})
    else:
        print(sentence)
