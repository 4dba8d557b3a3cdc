"""Builds the documentation site: the project's own Markdown files where they lie, and a reference made from the code.

`make docs` runs it; every link must lead somewhere (mkdocs, strict).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hub.app.plugins import Plugins
from hub.cli import parser
from hub.cli.describing import EXIT_CODES, _commands
from hub.keys import fields
from hub.metrics import vocabulary
from hub.options import SECTIONS
from rules.book import RuleBook, known_packs, load
from rules.figures.derived import functions

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "hub", "adapters", "rules", "dashboards", "simulators", "deploy", "examples", "tests")
LEFT_OUT = ("node_modules", "packages", "/starter/", "__pycache__")


def build(into: Path) -> None:
    """The site in `into`. Raises CalledProcessError where a link leads nowhere."""
    with tempfile.TemporaryDirectory() as place:
        pages = Path(place) / "pages"
        for path in _markdown():
            _copy(path, pages)
        for name, text in reference():
            (pages / "reference").mkdir(exist_ok=True)
            (pages / "reference" / f"{name}.md").write_text(text, "utf-8")
        config = Path(place) / "mkdocs.yml"
        shutil.copy(ROOT / "docs" / "mkdocs.yml", config)
        command = [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--config-file",
            str(config),
            "--site-dir",
            str(into.resolve()),
        ]
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"})


def _markdown() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for folder in FOLDERS:
        yield from sorted(
            path for path in (ROOT / folder).rglob("*.md") if not any(part in str(path) for part in LEFT_OUT)
        )


def _copy(path: Path, pages: Path) -> None:
    """A page, and what it shows or links to beside it. A folder is linked to by its README."""
    text = path.read_text("utf-8")

    def led(found: re.Match[str]) -> str:
        target, hash_, part = found[1].partition("#")
        file = path.parent / target
        if not target or "://" in target or not file.exists():
            return found[0]
        if file.is_dir():
            return (
                f"]({target.rstrip('/')}/README.md{hash_}{part})"
                if (file / "README.md").exists()
                else "](https://example.org)"
            )
        if file.suffix != ".md":
            beside = pages / file.resolve().relative_to(ROOT)
            beside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, beside)
        return found[0]

    page = pages / path.relative_to(ROOT)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(re.sub(r"\]\(([^)\s]+)\)", led, text), "utf-8")


# ------------------------------------------------------------------------------------------------- reference


def reference() -> Iterator[tuple[str, str]]:
    """Name and text of every page that is made from the code."""
    yield "configuration", "\n".join(_configuration())
    yield "metrics", "\n".join(_metrics())
    yield "functions", "\n".join(_functions())
    yield "packs", "\n".join(_packs())
    yield "protocols", "\n".join(_protocols())
    yield "commands", "\n".join(_cli())


def _configuration() -> Iterator[str]:
    yield "# hub.toml\n\nKeys, types and defaults, as the hub reads them."
    for name, kind in SECTIONS.items():
        yield f"\n## [{name}]\n\n{_summary(kind)}\n"
        yield from _keys(kind)
    for name, plugin in sorted(Plugins().items()):
        if plugin.options is not None:
            yield f'\n## [[adapters]] protocol = "{name}"\n\n{plugin.summary}\n'
            yield from _keys(plugin.codec_options, plugin.options)
        elif fields(plugin.codec_options):
            yield f"\n## Options of `cityhub decode {name}`\n\n{plugin.summary}\n"
            yield from _keys(plugin.codec_options)
        if plugin.sink_options is not None:
            yield f'\n## [[sinks]] protocol = "{name}"\n\n{plugin.summary}\n'
            yield from _keys(plugin.sink_options)


def _keys(*kinds: type[msgspec.Struct]) -> Iterator[str]:
    yield from ("| key | type | default |", "|---|---|---|")
    for kind in kinds:
        for key, field in fields(kind).items():
            default = "needed" if field.required else f"`{_default(field)}`"
            yield f"| `{key}` | `{_type(field.type)}` | {default} |"


def _default(field: Any) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def _type(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return text.replace("typing.", "").replace("|", "or")


def _summary(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _metrics() -> Iterator[str]:
    yield "# Metrics\n\nThe vocabulary: one name, one unit (UCUM), one range of what is possible.\n"
    for family in dict.fromkeys(metric.family for metric in vocabulary().values()):
        yield f"\n## {family}\n\n| name | what | unit | range |\n|---|---|---|---|"
        for metric in vocabulary().values():
            if metric.family == family:
                span = f"{metric.low:g} to {metric.high:g}" if metric.type == "number" else metric.type
                yield f"| `{metric.name}` | {metric.title} | {metric.unit} | {span} |"


def _functions() -> Iterator[str]:
    yield "# Functions of figures\n\nWindows, neighbours and memories: see [the rule language](../rules/README.md).\n\n| written | of | gives |\n|---|---|---|"
    for spec in functions().values():
        yield f"| `{spec.usage}` | {', '.join(spec.units)} | {spec.result} |"


def _packs() -> Iterator[str]:
    yield "# Rule packs\n\nEvery rule with where its thresholds come from. `cityhub rules explain RULE` shows one in full."
    for pack in known_packs():
        book = load([], [pack])
        if not isinstance(book, RuleBook):
            continue
        yield f"\n## {pack}\n\n| rule | levels | source |\n|---|---|---|"
        for rule in book.rules:
            source = "; ".join(", ".join(f"{key}: {text}" for key, text in one.fields.items()) for one in rule.sources)
            yield f"| `{rule.name}` | {' '.join(level.name for level in rule.levels)} | {source.replace('|', '/')} |"


def _protocols() -> Iterator[str]:
    yield "# Protocols\n\nWhat each covers and what not stands on its page.\n\n| protocol | in | out | what |\n|---|---|---|---|"
    for name, plugin in sorted(Plugins().items()):
        comes = "yes" if plugin.adapter else ("frames" if plugin.codec else "")
        yield f"| `{name}` | {comes} | {'yes' if plugin.sink else ''} | {plugin.summary} |"


def _cli() -> Iterator[str]:
    yield "# Commands\n\nEvery command takes `--json` and `--utc`, every list `--csv` too. Exit codes:\n"
    yield from (f"- {code}: {text}" for code, text in EXIT_CODES)
    for name, one in _commands(parser()):
        one.prog = f"cityhub {name}"
        yield f"\n## {name}\n\n{one.description or ''}\n\n```\n{one.format_help().rstrip()}\n```"


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Build the documentation site.")
    asked.add_argument("into", type=Path, nargs="?", default=ROOT / "dist" / "site")
    build(asked.parse_args().into)
