"""Group commit: POSTs that wait at the same moment are answered by one transaction, each with an answer of its own.

A transaction costs much the same for one request and for fifty. Nobody waits for company: who comes while no
transaction is free to take it goes with the next one, and who comes alone goes alone, at once.

The claims of the idempotency keys, the changes and the stored answers commit together. A request that is refused
changes nothing and leaves no claim. A failure that is one request's fault fails that one alone: the transaction is
rolled back, and its halves are done again, each in a transaction of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Request, Response
from opentelemetry import context
from sqlalchemy.ext.asyncio import AsyncSession

from common import idempotency, telemetry
from common.auth import Principal, optional_principal
from common.db import Database, is_transient, sqlstate
from common.errors import BusinessError, IdempotencyConflict
from common.idempotency import Claim

Q = TypeVar("Q")
A = TypeVar("A")

Work = Callable[[AsyncSession, Sequence[Q]], Awaitable[Sequence[A | BusinessError]]]
"""Does what is asked, in order, and commits nothing; a refusal in an answer's place has changed nothing."""

_MOST = 100
"""Requests in one transaction."""

_AT_ONCE = 2
"""Transactions of one kind in one process: while one commits, the next is prepared."""


@idempotency.claiming
async def get_claim(
    request: Request, principal: Annotated[Principal | None, Depends(optional_principal)]
) -> Claim:
    return await idempotency.claim_of(request, principal)


ClaimDep = Annotated[Claim, Depends(get_claim)]
"""In the place of the session, for a route that asks `Together`."""


@dataclass(frozen=True)
class _Asked(Generic[Q, A]):
    claim: Claim
    question: Q
    told: Callable[[A], Response]
    answer: asyncio.Future[Response]


@dataclass
class Together(Generic[Q, A]):
    """Asks `work` for all who wait. One for each kind of request, in `app.state`."""

    database: Database
    work: Work[Q, A]
    _waiting: deque[_Asked[Q, A]] = field(default_factory=deque)
    _turns: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, claim: Claim, question: Q, told: Callable[[A], Response]) -> Response:
        """The answer, committed; `told` makes it of what the work gives, within the transaction. Raises the refusal."""
        asked = _Asked(claim, question, told, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._turns) < _AT_ONCE:
            turns = asyncio.create_task(self._take_turns(), name="together")
            self._turns.add(turns)
            turns.add_done_callback(self._turns.discard)
        return await asked.answer

    async def _take_turns(self) -> None:
        # Several requests are answered here: none of their traces is this task's.
        context.attach(context.Context())
        while self._waiting:
            await self._answer(self._next())

    def _next(self) -> list[_Asked[Q, A]]:
        group: dict[tuple[str, str], _Asked[Q, A]] = {}
        twins = []
        while self._waiting and len(group) < _MOST:
            asked = self._waiting.popleft()
            name = (asked.claim.subject, asked.claim.key)
            if name in group:
                # It gets the first one's answer, once that is committed.
                twins.append(asked)
            else:
                group[name] = asked
        self._waiting.extendleft(reversed(twins))
        return list(group.values())

    async def _answer(self, group: Sequence[_Asked[Q, A]]) -> None:
        try:
            async with self.database.transaction() as session:
                answers = await self._do(session, group)
        except BaseException as error:
            if len(group) == 1 or not isinstance(error, Exception) or _is_everybodys(error):
                for asked in group:
                    _refuse(asked, error)
                if not isinstance(error, Exception):
                    raise
                return
            middle = len(group) // 2
            await self._answer(group[:middle])
            await self._answer(group[middle:])
            return
        telemetry.TOGETHER.observe(len(group))
        for asked, answer in zip(group, answers, strict=True):
            if isinstance(answer, BusinessError):
                _refuse(asked, answer)
            elif not asked.answer.done():
                asked.answer.set_result(answer)

    async def _do(self, session: AsyncSession, group: Sequence[_Asked[Q, A]]) -> list[Response | BusinessError]:
        taken: dict[Claim, Response | IdempotencyConflict] = await idempotency.claim_all(
            session, [asked.claim for asked in group]
        )
        new = [asked for asked in group if asked.claim not in taken]
        made: dict[Claim, Response | BusinessError] = {**taken}
        if new:
            done = await self.work(session, [asked.question for asked in new])
            await session.flush()
            answered: list[tuple[Claim, Response]] = []
            refused: list[Claim] = []
            for asked, outcome in zip(new, done, strict=True):
                if isinstance(outcome, BusinessError):
                    made[asked.claim] = outcome
                    refused.append(asked.claim)
                else:
                    made[asked.claim] = response = asked.told(outcome)
                    answered.append((asked.claim, response))
            if answered:
                idempotency.store_all(session, answered)
            if refused:
                await idempotency.release(session, refused)
        return [made[asked.claim] for asked in group]


def _is_everybodys(error: BaseException) -> bool:
    """The database or the network is away; a deadlock (class 40) may be gone with half of the requests."""
    return is_transient(error) and (sqlstate(error) or "")[:2] != "40"


def _refuse(asked: _Asked[Q, A], error: BaseException) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
