"""Who sends the generated requests, and which ids they have heard of."""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import strategies as st

from common.auth import Role
from common.events.registry import MemberAdmitted
from common.testing import TestIssuer
from tests.contracts.golden import example

_ENDINGS = ("_id", "_code")
_KEPT = 20
_PROBABILITY = 0.8


class KnownIds:
    """Ids by the name of their field: a request for a random id would end at 404."""

    def __init__(self, *heard: dict[str, Any]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for values in heard:
            self.learn(values)

    def learn(self, answer: Any) -> None:
        """Remember the ids in an answer, at any depth."""
        if isinstance(answer, list):
            for inner in answer:
                self.learn(inner)
        elif isinstance(answer, dict):
            for name, value in answer.items():
                known = self._by_name[name]
                if not isinstance(value, str):
                    self.learn(value)
                elif name.endswith(_ENDINGS) and value not in known and len(known) < _KEPT:
                    known.append(value)

    def put_into(self, values: Any, dice: random.Random) -> Any:
        """`values` with most ids replaced by known ones of the same name."""
        if isinstance(values, list):
            return [self.put_into(value, dice) for value in values]
        if not isinstance(values, dict):
            return values
        return {
            name: dice.choice(known)
            if isinstance(value, str) and (known := self._by_name.get(name)) and dice.random() < _PROBABILITY
            else self.put_into(value, dice)
            for name, value in values.items()
        }


class Callers:
    """Tokens of every role, for the organisation and the member of the golden examples, and one without a token."""

    def __init__(self, issuer: TestIssuer) -> None:
        admitted = example(MemberAdmitted)["data"]
        self.ids = KnownIds(admitted)
        place = {"organisation_id": admitted["organisation_id"]}
        claims: dict[Role, dict[str, str]] = {
            Role.REGIONAL_STAFF: place,
            Role.TERRITORIAL_STAFF: place,
            Role.PRIMARY_STAFF: place,
            Role.MEMBER: {"member_id": admitted["member_id"]},
            Role.PARTNER: {"partner": "books"},
        }
        self.headers: dict[Role | None, dict[str, str]] = {None: {}}
        # Without a purpose most readings of personal data would end before they begin.
        purpose = {"X-Purpose": "support"}
        for role in Role:
            self.headers[role] = purpose | issuer.bearer(role, sub=f"{role}-1", **claims.get(role, {}))

    def mostly(self, welcome: Iterable[Role]) -> st.SearchStrategy[Role | None]:
        """Mostly those who are let in: what stands behind the door is what may fail."""
        anyone: st.SearchStrategy[Role | None] = st.sampled_from([*Role, None])
        let_in = sorted(welcome)
        return st.one_of(*[st.sampled_from(let_in)] * 4, anyone) if let_in else anyone


def welcome_roles(app: FastAPI) -> dict[tuple[str, str], set[Role]]:
    """By path and method, the roles that a route lets in; none where it asks for no role."""
    return {
        (str(route.path), method): _required_roles(route.dependant)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }


def _required_roles(dependant: Dependant) -> set[Role]:
    roles = set(getattr(dependant.call, "required_roles", ()))
    for inner in dependant.dependencies:
        roles |= _required_roles(inner)
    return roles
