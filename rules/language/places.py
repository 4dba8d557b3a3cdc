"""YAML with the place of every word, so that each mistake can say file, line and column."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError:  # PyYAML where it was built without libyaml
    CParser = None  # type: ignore[assignment, misc]


class Mistake(NamedTuple):
    """One thing wrong in a rule file. `str()` gives `file:line:column: message`; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class Entry(NamedTuple):
    """One `key: value` of a mapping."""

    key: str
    key_node: yaml.Node
    value: yaml.Node


class Document:
    """One YAML file: its text, its tree and the mistakes found in it so far."""

    MAX_BYTES = 2_000_000

    def __init__(self, file: str, text: str, of_pack: bool = False) -> None:
        """`of_pack`: the file is a pack's, which was tested before it was given away, and is read with less care and ten times as fast."""
        self.file = file
        self.text = text
        self.mistakes: list[Mistake] = []
        self.root: yaml.Node | None = None
        if len(text) > self.MAX_BYTES:
            self.mistakes.append(Mistake(file, 1, 1, f"longer than {self.MAX_BYTES:,} characters"))
            return
        try:
            self.root = _quickly(text) if of_pack else yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.mistakes.append(Mistake(file, line, column, f"not YAML: {error.problem or error.context}"))
        except (yaml.YAMLError, RecursionError) as error:
            self.mistakes.append(
                Mistake(file, 1, 1, f"not YAML: {str(error).splitlines()[0] if str(error) else error!r}")
            )

    def wrong(self, node: yaml.Node, message: str, offset: int = 0) -> None:
        """Record a mistake at `offset` characters into the scalar `node` (or at the node itself)."""
        line, column = self.locate(node, offset)
        self.mistakes.append(Mistake(self.file, line, column, message))

    def locate(self, node: yaml.Node, offset: int = 0) -> tuple[int, int]:
        """Line and column (from 1) of the character `offset` of a scalar's value."""
        start, end = node.start_mark, node.end_mark
        line, column = start.line + 1, start.column + 1
        if offset == 0 or not isinstance(node, yaml.ScalarNode):
            return line, column
        raw = self.text[start.index : end.index]
        if node.style in ("'", '"'):
            raw, column = raw[1:], column + 1
        if raw.startswith(node.value[:offset]) and "\n" not in raw[:offset]:
            return line, column + offset
        # Folded over several lines: count words, which folding keeps, to find the character again.
        words = len(node.value[:offset].split())
        position = 0
        for _ in range(words):
            while position < len(raw) and raw[position].isspace():
                position += 1
            while position < len(raw) and not raw[position].isspace():
                position += 1
        while position < len(raw) and raw[position].isspace():
            position += 1
        before = raw[:position]
        if "\n" not in before:
            return line, column + position
        return line + before.count("\n"), position - before.rfind("\n")

    def entries(self, node: yaml.Node, what: str) -> Iterator[Entry]:
        """The entries of a mapping; anything else, and keys given twice, are mistakes."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} must be a mapping (key: value)")
            return
        seen: set[str] = set()
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.wrong(key_node, f"a key of {what} must be a word")
                continue
            key = str(key_node.value)
            if key in seen:
                self.wrong(key_node, f"{key!r} is given twice in {what}")
                continue
            seen.add(key)
            yield Entry(key, key_node, value)

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The items of a list; anything else is a mistake."""
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(node, f"{what} must be a list")
            return []
        return list(node.value)

    def text_of(self, node: yaml.Node, what: str) -> str | None:
        """A scalar's text, None (and a mistake) for a list or mapping."""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(node, f"{what} must be a single value")
            return None
        return str(node.value)

    def plain(self, node: yaml.Node) -> object:
        """The node as plain data (texts, numbers, lists, dicts with text keys)."""
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): self.plain(value) for key, value in node.value}
        value = str(node.value)
        tag = node.tag.rsplit(":", 1)[-1]
        if tag == "int":
            return int(value) if value.lstrip("+-").isdigit() else value
        if tag == "float":
            try:
                return float(value)
            except ValueError:
                return value
        if tag == "bool":
            return value.lower() in ("true", "yes", "on")
        if tag == "null":
            return None
        return value


def _quickly(text: str) -> yaml.Node | None:
    """The tree of a file by libyaml. It takes some slips for YAML that the reader in Python refuses (a tab, `{a: b: c}`); what it refuses
    itself goes to the other, whose words say what is wrong with any file."""
    if CParser is not None:
        try:
            return _Quick(text).get_single_node()
        except (yaml.YAMLError, RecursionError, UnicodeError):
            pass
    return yaml.compose(text, Loader=yaml.SafeLoader)


if CParser is not None:

    class _Quick(Composer, CParser, Resolver):
        """libyaml parses; the nodes are made in Python, where nesting without an end is an error and no crash."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)


def unknown(what: str, word: str, known: tuple[str, ...]) -> str:
    """The sentence for a word that is none of those known; with the nearest of them where one is near."""
    near = get_close_matches(word, known, n=1)
    return f"unknown {what} {word!r}" + (f"; was {near[0]} meant?" if near else f"; known are {', '.join(known)}")
