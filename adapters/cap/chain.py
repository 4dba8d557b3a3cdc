"""Which messages a change gives rise to, and what they refer to: the hub proposes, a permitted person approves. Pure.

Every warning has two chains of messages. The proposal (Exercise by default) follows each change by itself. The Actual one
begins only when a permitted person acknowledges the warning with the agreed word; their approval holds for that level and
lower ones, so an escalation is a proposal again until somebody approves it.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from hub.model import LEVELS, AlertChange, Change

LINKS_MAX = 50
"""Earlier messages that one may refer to; the oldest have long been superseded."""
ENDS = frozenset({Change.CLEARED, Change.EXPIRED})
TELLS = frozenset({Change.RAISED, Change.ESCALATED, Change.LOWERED})


class Permission(msgspec.Struct, frozen=True):
    """Who may have a warning go out as Actual, and the word their note must begin with."""

    people: Collection[str] = ()
    word: str = "publish"

    def given(self, change: AlertChange) -> bool:
        """An acknowledgement is no approval unless it says so."""
        return (
            change.change is Change.ACKNOWLEDGED
            and change.who in self.people
            and change.note.strip().lower().startswith(self.word.lower())
        )


class Said(msgspec.Struct):
    """The newest message of one status: what it told of, when it was sent (ns), and how often that was said again."""

    change: AlertChange
    sent: int
    renewals: int = 0


class Chain(msgspec.Struct):
    """What has been said about one warning so far."""

    told: AlertChange | None = None
    """The newest change that said what is the matter; acknowledgements say nothing of that."""
    approved: str = ""
    """Up to this level Actual messages go out."""
    approved_by: str = ""
    links: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """References to the messages sent, by status."""
    said: dict[str, Said] = msgspec.field(default_factory=dict)
    """By status, what stands until it is updated, cancelled or runs out."""

    def stands(self, status: str) -> bool:
        """Whether the newest message of this status is to be kept in force: an Actual one always, a proposal until it is approved."""
        return status == "Actual" or (self.told is not None and _rank(self.told.level) > _rank(self.approved))


class Step(msgspec.Struct, frozen=True):
    """One message to send: the change to tell of, its status and kind."""

    change: AlertChange
    status: str
    kind: str
    references: tuple[str, ...]


def advance(chain: Chain, change: AlertChange, permission: Permission, proposal: str) -> list[Step]:
    """The messages for this change. Moves the chain on, but for the links: those are added when a message is made."""
    if change.change in ENDS:
        ending = _about(change, chain.told)
        return [Step(ending, status, "Cancel", tuple(links)) for status, links in chain.links.items() if links]
    if change.change in TELLS:
        chain.told = change
        status = "Actual" if _rank(change.level) <= _rank(chain.approved) else proposal
        return [_step(chain, change, status)]
    if permission.given(change):
        chain.approved, chain.approved_by = change.level, change.who
        return [_step(chain, _about(change, chain.told), "Actual")]
    return []


def add_link(chain: Chain, status: str, reference: str) -> None:
    links = chain.links.setdefault(status, [])
    links.append(reference)
    del links[:-LINKS_MAX]


def _step(chain: Chain, change: AlertChange, status: str) -> Step:
    links = tuple(chain.links.get(status, ()))
    return Step(change, status, "Update" if links else "Alert", links)


def _about(change: AlertChange, told: AlertChange | None) -> AlertChange:
    """The change, with what it does not say itself taken from the one that told the matter."""
    if told is None:
        return change
    return msgspec.structs.replace(
        change,
        title=change.title or told.title,
        title_zh=change.title_zh if change.title else told.title_zh,
        values=change.values or told.values,
        position=change.position or told.position,
        source=change.source or told.source,
        cap=change.cap or told.cap,
        area=change.area or told.area,
        reason=change.reason or told.reason,
        reason_zh=change.reason_zh if change.reason else told.reason_zh,
    )


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1 if not level else len(LEVELS)
