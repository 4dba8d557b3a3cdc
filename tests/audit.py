"""Known vulnerabilities of everything that the lock files pin, by OSV (osv.dev): the advisories of PyPI, npm and GitHub in one form.

    make audit                      # asks api.osv.dev, one request
    make audit AUDIT="--database PyPI.zip npm.zip"   # without internet: files of OSV (…/PyPI/all.zip), fetched elsewhere

Exit 0: everything was looked up, and nothing is known. 1: something is known. 2: NOTHING WAS AUDITED, or not all of it: the source was not reached, or its
answer cannot be believed. A silent source never passes for a clean one: what is asked has a package in it that is known to be vulnerable, and a source that
does not name it is not believed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from packaging.version import InvalidVersion, Version

from tests.shared import ROOT

SOURCE = "https://api.osv.dev"
TIMEOUT_S = 60.0
PYPI, NPM = "PyPI", "npm"


class Pinned(NamedTuple):
    """A package as a lock file has it."""

    ecosystem: str
    name: str
    version: str


CANARIES = (Pinned(PYPI, "jinja2", "2.4.1"), Pinned(NPM, "minimist", "0.0.8"))
"""Vulnerable for years (CVE-2014-1402, CVE-2020-7598), and in no lock file of ours."""


class NotAudited(Exception):
    """The source cannot be asked, or not believed. Its text is all that is shown."""


Found = Mapping[Pinned, Sequence[str]]
"""What is known of each package: ids of advisories."""


def pinned(root: Path = ROOT) -> list[Pinned]:
    """Everything of the lock files: Python packages, and what the console's script is made of."""
    text = (root / "requirements.lock").read_text("utf-8")
    python = [Pinned(PYPI, name, version) for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.M)]  # fmt: skip
    script = []
    for path, one in json.loads((root / "dashboards/bundle/package-lock.json").read_text("utf-8"))["packages"].items():
        if path and "version" in one:
            script.append(Pinned(NPM, path.rpartition("node_modules/")[2], one["version"]))
    return list(dict.fromkeys([*python, *script]))


def ask(packages: Sequence[Pinned], source: str) -> Found:
    """What the service knows (POST /v1/querybatch). Raises NotAudited."""
    queries = [{"package": {"ecosystem": one.ecosystem, "name": one.name}, "version": one.version} for one in packages]
    try:
        answer = httpx.post(f"{source}/v1/querybatch", json={"queries": queries}, timeout=TIMEOUT_S)
        results = answer.raise_for_status().json()["results"]
        ids = [[advisory["id"] for advisory in result.get("vulns", ())] for result in results]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAudited(f"{source} was not reached: {error or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotAudited(f"{source} answered with something else than OSV does") from None
    if len(ids) != len(packages):
        raise NotAudited(f"{source} was asked about {len(packages)} packages and answered about {len(ids)}")
    return dict(zip(packages, ids, strict=True))


def look_up(packages: Sequence[Pinned], databases: Iterable[Path]) -> Found:
    """What files of OSV know. Raises NotAudited."""
    wanted: dict[tuple[str, str], list[Pinned]] = {}
    for one in packages:
        wanted.setdefault((one.ecosystem, _plain(one.name)), []).append(one)
    found: dict[Pinned, list[str]] = {one: [] for one in packages}
    for path in databases:
        for advisory in _advisories(path):
            for affected in advisory.get("affected", ()):
                about = affected.get("package", {})
                for one in wanted.get((about.get("ecosystem", ""), _plain(about.get("name", ""))), ()):
                    if advisory["id"] not in found[one] and _affects(affected, one.version):
                        found[one].append(advisory["id"])
    return found


def _advisories(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                advisory = json.loads(packed.read(name))
                if "withdrawn" not in advisory:
                    yield advisory
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise NotAudited(f"{path} is no database of OSV (a .zip of JSON files): {error}") from None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _affects(affected: Mapping[str, Any], version: str) -> bool:
    """Whether the version is named, or lies in a range (OSV schema 1.6, "Evaluation"). One that cannot be compared counts as affected."""
    if version in affected.get("versions", ()):
        return True
    for given in affected.get("ranges", ()):
        if given.get("type") not in ("ECOSYSTEM", "SEMVER"):
            continue
        inside = False
        for event in given.get("events", ()):
            (what, bound), *_ = event.items()
            try:
                reached = bound == "0" or Version(version) >= Version(bound)
                beyond = what == "last_affected" and Version(version) > Version(bound)
            except InvalidVersion:
                return True
            if what == "introduced" and reached:
                inside = True
            elif (what == "fixed" and reached) or beyond:
                inside = False
        if inside:
            return True
    return False


def audit(packages: Sequence[Pinned], source: str = SOURCE, databases: Sequence[Path] = ()) -> Found:
    """What is known of these. Raises NotAudited."""
    canaries = [one for one in CANARIES if any(one.ecosystem == other.ecosystem for other in packages)]
    asked = [*packages, *canaries]
    known = look_up(asked, databases) if databases else ask(asked, source)
    silent = [f"{one.name} {one.version}" for one in canaries if not known[one]]
    if silent:
        raise NotAudited(f"the source knows nothing of {', '.join(silent)}, which is vulnerable: what it does not name may be so too")  # fmt: skip
    return {one: known[one] for one in packages}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make audit", description="Known vulnerabilities of what the lock files pin.")
    parser.add_argument("--source", default=SOURCE, help="a service that speaks OSV's API")
    parser.add_argument("--database", type=Path, nargs="+", default=[], metavar="ZIP", help="files of OSV, instead of a service")  # fmt: skip
    options = parser.parse_args(arguments)
    packages = pinned()
    try:
        known = audit(packages, options.source, options.database)
    except NotAudited as error:
        print(f"NOTHING WAS AUDITED: {error}", file=sys.stderr)
        return 2
    bad = {one: ids for one, ids in known.items() if ids}
    for one, ids in bad.items():
        print(f"{one.ecosystem} {one.name} {one.version}: {', '.join(f'https://osv.dev/{id}' for id in ids)}")
    print(f"{len(packages)} packages audited, {len(bad)} with known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
