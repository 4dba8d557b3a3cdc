"""The API's description as a page for people, made from the OpenAPI document. It needs no script and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]
CONSTRAINTS = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "maxLength": "characters, at most", "maxItems": "items, at most"}  # fmt: skip


def page(document: Json) -> str:
    """HTML: an index of the operations, what each takes and answers, and the types."""
    info, paths, kinds = document["info"], document["paths"], document["components"]["schemas"]
    operations = [(path, method, told) for path, item in paths.items() for method, told in item.items()]
    index = "".join(
        f'<li><a href="#{_mark(method, path)}"><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></a> '
        f"{escape(told['summary'])}</li>"
        for path, method, told in operations
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/api.css"></head><body><main>'
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info['description'])} "
        'The same for programs: <a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
        f"<nav><h2>Operations</h2><ul>{index}</ul></nav>"
        f"{''.join(_operation(*operation) for operation in operations)}"
        f"<h2>Types</h2>{''.join(_kind(name, kinds[name]) for name in sorted(kinds))}</main></body></html>"
    )


def _mark(method: str, path: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-') or 'console'}")


def _operation(path: str, method: str, told: Json) -> str:
    who = f"needs the right <i>{escape(told['x-right'])}</i>" if "x-right" in told else "open to everybody"
    who += ", over the whole hub" if told.get("x-whole") else ""
    parts = [
        f'<section id="{_mark(method, path)}"><h3><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></h3>',
        f"<p>{escape(told['summary'])} <span>({who})</span></p>",
    ]
    if told["parameters"]:
        rows = (
            (f"<code>{escape(item['name'])}</code>", f"in the {item['in']}", _shape(item["schema"]))
            for item in told["parameters"]
        )
        parts.append(_table(("parameter", "where", "what"), rows))
    if body := told.get("requestBody"):
        parts.append(f"<p>Takes {_content(body['content'])}</p>")
    answers = ((escape(status), _content(answer.get("content", {}))) for status, answer in told["responses"].items())
    return "".join(parts) + _table(("status", "answer"), answers) + "</section>"


def _content(content: Json) -> str:
    """The media types, those of one shape together."""
    shapes: dict[str, list[str]] = {}
    for media, told in content.items():
        shapes.setdefault(_shape(told["schema"]), []).append(f"<code>{escape(media)}</code>")
    return "; ".join(f"{', '.join(media)} {shape}" for shape, media in shapes.items())


def _kind(name: str, schema: Json) -> str:
    told = f"<p>{escape(schema.get('description', ''))}</p>"
    rows = (
        (f"<code>{escape(field)}</code>{'' if field in schema.get('required', ()) else ' (optional)'}", _shape(shape))
        for field, shape in schema.get("properties", {}).items()
    )
    return f'<section id="type-{escape(name)}"><h3>{escape(name)}</h3>{told}{_table(("field", "what"), rows)}</section>'


def _shape(schema: Json) -> str:
    """A schema in words: "a list of Row", "a list of number, number", "integer or null", "one of csv, parquet"."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_shape(one) for one in schema["anyOf"])
    if "enum" in schema:
        words = "one of " + ", ".join(escape(str(value)) for value in schema["enum"])
    elif "prefixItems" in schema:
        return f"a list of {', '.join(_shape(one) for one in schema['prefixItems'])}"
    elif schema.get("type") == "array":
        words = f"a list of {_shape(schema.get('items', {})) or 'anything'}"
    else:
        words = escape(str(schema.get("type", "")))
    limits = [f"{said} {schema[key]}" for key, said in CONSTRAINTS.items() if key in schema]
    given = [f"{schema['default']} without it"] if schema.get("default") not in (None, "") else []
    return words + (f" ({escape('; '.join(limits + given))})" if limits or given else "")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    made = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{made}</tbody></table>" if made else ""
