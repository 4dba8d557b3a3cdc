"""Users by the API, for administrators: who there is, a new one, a change. `cityhub users` does the same on the machine."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.access import passwords
from hub.access.rights import ROLES
from hub.access.users import RoleGrant, User, check, save_user
from hub.api import questions
from hub.api.auditing import Auditing
from hub.api.pages import marks, page, reply
from hub.api.problem import Problem
from hub.api.state import State


class Enrolling:
    def __init__(self, state: State, auditing: Auditing, trusted: bool) -> None:
        self.state, self._auditing, self._trusted = state, auditing, trusted
        self._one_at_a_time = asyncio.Lock()
        """Who writes the file has read it just before."""

    async def users(self, request: Request, asked: questions.Page) -> Response:
        """Who may use this hub, and what of it."""
        shown, cut = page(list(self.state.roll.users.values()), asked.limit, asked.skip)
        told = [self._described(user) for user in shown]
        return reply({"users": told, **marks(request, asked.limit, cut, skip=asked.skip + len(shown))})

    async def add_user(self, request: Request, given: questions.NewUser) -> Response:
        """A new user. 409 where there is one of that name. Without a password nobody logs in as them."""
        if not self.state.asks and not self._trusted:
            # From that user on the hub asks everybody: that is for who has the machine to decide, and not for every program on it.
            raise Problem(
                409,
                "this hub asks nobody who they are; make its first user on the machine: cityhub users add DIR NAME --role administrator",
            )
        async with self._one_at_a_time:
            if given.user in self.state.roll.users:
                raise Problem(409, f"there is a user {given.user!r} already")
            user = User(given.user, given.name, _grants(given.grants))
            return await self._keep(request, "users add", None, user, given.password)

    async def change_user(self, request: Request, given: questions.ChangedUser) -> Response:
        """What is given is changed, the rest stays; `grants` are all there are then. A new password and disabling end their sessions."""
        name = request.path_params["user"]
        async with self._one_at_a_time:
            before = self.state.roll.users.get(name)
            if before is None:
                raise Problem(404, f"there is no user {name[:100]!r}")
            after = msgspec.structs.replace(
                before,
                name=before.name if given.name is None else given.name,
                disabled=before.disabled if given.disabled is None else given.disabled,
                grants=_changed(before.grants, given),
            )
            who = request.state.who
            if (who.kind, who.name) == ("user", name) and (
                after.disabled or not after.principal.everywhere("administer")
            ):
                raise Problem(
                    409,
                    "you would shut yourself out; another administrator, or `cityhub users` on the machine, does that",
                )
            return await self._keep(request, "users change", before, after, given.password)

    async def _keep(
        self, request: Request, action: str, before: User | None, after: User, password: str | None
    ) -> Response:
        """Noted, then written. Passwords stand in neither the audit nor the file of users."""
        try:
            check(after)
            if password is not None:
                passwords.fit(password)
        except ValueError as error:
            raise Problem(400, str(error)) from None
        shown = None if before is None else self._described(before)
        now = {**self._described(after), **({"password": "set"} if password is not None else {})}
        await self._auditing.note(request, action, after.user, shown, now)
        try:
            if password is not None:
                # Before the user: who is new has no grants until both are there.
                await asyncio.to_thread(passwords.store, self.state.config.data, after.user, password)
            if after != before:
                await asyncio.to_thread(save_user, self.state.roll.path, after)
        except (OSError, ValueError) as error:
            raise Problem(503, f"it cannot be written: {error}", {"Retry-After": "5"}) from None
        return reply(self._described(self.state.roll.users[after.user]))

    def _described(self, user: User) -> dict[str, Any]:
        return {
            "user": user.user,
            "name": user.name,
            "disabled": user.disabled,
            "password": self.state.roll.has_password(user.user),
            "grants": [grant.words for grant in user.grants],
        }


def _changed(before: tuple[RoleGrant, ...], given: questions.ChangedUser) -> tuple[RoleGrant, ...]:
    """The grants after a change. Who names one alone cannot undo what another administrator has changed meanwhile."""
    grants = before if given.grants is None else _grants(given.grants)
    if given.revoke is not None:
        if given.revoke not in ROLES:
            raise Problem(400, f"there is no role {given.revoke!r}; {', '.join(ROLES)} are there")
        grants = tuple(one for one in grants if one.role != given.revoke)
    more = () if given.grant is None else _grants([given.grant])
    return (*grants, *(one for one in more if one not in grants))


def _grants(given: list[questions.Granted]) -> tuple[RoleGrant, ...]:
    """As the file has them; `check` says what is wrong with one."""
    return tuple(
        RoleGrant(
            one.role,
            tuple(one.areas or ()),
            tuple(one.kinds or ()),
            tuple(one.fleets or ()),
            tuple(one.devices or ()),
            one.personal,
        )
        for one in given
    )
