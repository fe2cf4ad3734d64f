"""Walks every route of an application as every kind of caller, to what is theirs and to what is not.

The routes come from the application's own document: a route without a builder fails the walk, so none is forgotten.
A service says how a request to a route is built for a place (an organisation), and who its callers are; the walk says
what each may see: 401 without a token, 403 without a role, 404 out of reach, and success within.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from common.auth import Role


@dataclass(frozen=True)
class Call:
    """A request to something that was just made for it."""

    path: str
    body: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    member: str | None = None
    """Whose it is; that member may call where the route lets members in."""
    addressed: bool = True
    """False for a list: who may read it gets it, without what is out of reach."""


@dataclass(frozen=True)
class Caller:
    name: str
    role: Role | None
    headers: Callable[[Call], Mapping[str, str]]
    reach: frozenset[str] = frozenset()
    """Names of the places that the caller's scope takes in."""
    sees_names: bool = True
    """False: no secret may be in any answer."""


Builder = Callable[[str], Awaitable[Call]]
"""Makes a fresh resource at a place, by its name, and the request to it."""


@dataclass
class Walk:
    app: FastAPI
    client: httpx.AsyncClient
    builders: Mapping[str, Builder]
    callers: Sequence[Caller]
    marks: Mapping[str, Sequence[str]]
    """By place: what stands in a list alone if something of that place is in it."""
    secrets: Sequence[str] = ()
    answers: Mapping[tuple[str, str, str], tuple[int, str]] = field(default_factory=dict)
    """Where a rule of the business refuses whom the scope lets in: (route, caller, place) → (status, code)."""

    elsewhere: Sequence[str] = ()
    """Beginnings of paths that other tests walk: uploads, what the kernel brings."""

    def routes(self) -> Iterator[tuple[str, frozenset[Role]]]:
        """Every route of the application's document, and who may call it; nobody named: all may."""
        known = {
            f"{method} {route.path}": roles_of(route.dependant)
            for route in iter_route_contexts(self.app.routes)
            if isinstance(route.original_route, APIRoute)
            for method in route.methods or ()
        }
        for path, operations in self.app.openapi()["paths"].items():
            for method in operations:
                yield f"{method.upper()} {path}", known[f"{method.upper()} {path}"]

    async def whole(self) -> int:
        """Try it all. Returns the number of calls; raises AssertionError that lists whatever was not as expected."""
        wrong: list[str] = []
        calls = 0
        walked = [
            (route, roles)
            for route, roles in self.routes()
            if not route.split(" ")[1].startswith(tuple(self.elsewhere))
        ]
        assert {route for route, _ in walked} == set(self.builders), "routes and builders differ"
        for route, roles in walked:
            for place in self.marks:
                untouched: Call | None = None
                for caller in self.callers:
                    call = untouched or await self.builders[route](place)
                    expected = self._expected(route, roles, caller, place, call)
                    answer = await self.send(route, call, caller)
                    calls += 1
                    # What was read or refused is as it was: the next caller may try the same.
                    same = route.startswith("GET ") or answer.status_code in (401, 403, 404)
                    untouched = call if same else None
                    wrong += self._faults(route, caller, place, answer, expected)
                    if roles and answer.is_success and not call.addressed:
                        wrong += self._foreign(route, caller, answer)
        assert not wrong, "\n".join(wrong)
        return calls

    async def send(self, route: str, call: Call, caller: Caller) -> httpx.Response:
        method = route.split(" ")[0]
        headers = {**call.headers, **caller.headers(call)}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if method in ("PATCH", "PUT", "DELETE"):
            headers["If-Match"] = '"1"'
        return await self.client.request(
            method, call.path, json=call.body, params=dict(call.params), headers=headers
        )

    def _expected(
        self, route: str, roles: frozenset[Role], caller: Caller, place: str, call: Call
    ) -> tuple[int, str]:
        """The status and the problem's code; (200, "") for any success."""
        refusal = self.answers.get((route, caller.name, place))
        if refusal:
            return refusal
        if not roles:
            return (200, "")
        if caller.role is None:
            return (401, "token_required")
        if caller.role not in roles:
            return (403, "forbidden")
        if not call.addressed or place in caller.reach or (caller.role is Role.MEMBER and caller.reach):
            return (200, "")
        return (404, "not_found")

    def _faults(
        self,
        route: str,
        caller: Caller,
        place: str,
        answer: httpx.Response,
        expected: tuple[int, str],
    ) -> Iterator[str]:
        where = f"{route} as {caller.name} at {place}"
        got = (200, "") if answer.is_success else (answer.status_code, str(answer.json().get("code")))
        if got != expected:
            yield f"{where}: {got} instead of {expected}: {answer.text[:300]}"
        if not caller.sees_names:
            yield from (f"{where}: tells {secret}" for secret in self.secrets if secret in answer.text)

    def _foreign(self, route: str, caller: Caller, answer: httpx.Response) -> Iterator[str]:
        """What a list holds of places out of reach."""
        for other in set(self.marks) - caller.reach:
            for mark in self.marks[other]:
                if mark in answer.text:
                    yield f"{route} as {caller.name}: lists {mark} of {other}"


def roles_of(dependant: Dependant) -> frozenset[Role]:
    """The roles that a route's dependencies ask for; none when it is public."""
    roles: frozenset[Role] = frozenset(getattr(dependant.call, "required_roles", ()))
    for inner in dependant.dependencies:
        roles |= roles_of(inner)
    return roles
