"""Requests generated from each service's own document: whatever comes, the service answers, and answers in form."""

import asyncio
import contextlib
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from common.app import Service, build_api, router
from common.auth import Role
from common.db import Database
from common.http import PROBLEM, etag
from common.processing import Processor
from common.settings import Settings
from common.testing import TestIssuer
from tests.contracts.callers import Callers, welcome_roles
from tests.contracts.golden import beginnings
from tests.contracts.services import KEYS, TRIED
from tests.extent import tries
from tests.kernel import toy

SEED = int(os.environ.get("UNION_TEST_SEED", "20260301"))
VALID, INVALID = tries(6, long=30), tries(2, long=10)
"""Requests per operation that fit the document, and that do not."""
LEARNING = 3
"""Requests per list before all others, which tell the ids that exist."""

Operation = APIOperation[Any, Any, Any, Any]


@pytest.fixture(params=TRIED, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    service: Service = request.param
    return service


@pytest.fixture
def extra_settings(service: Service, tmp_path: Path) -> dict[str, Any]:
    environment = KEYS[service.name](tmp_path) if service.name in KEYS else {}
    return {name.removeprefix("UNION_").lower(): value for name, value in environment.items()}


@pytest.fixture
def app(service: Service, settings: Settings) -> FastAPI:
    """After the golden examples; with a database pool of its own, in the event loop of the generated requests."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _consume_beginnings(service, settings)).result()
    return build_api(service, settings)


async def _consume_beginnings(service: Service, settings: Settings) -> None:
    database = Database.connect(settings)
    processors = {s.topic.name: Processor(s, database) for s in service.subscriptions(settings)}
    for record in beginnings():
        if record.topic in processors:
            await processors[record.topic].process([record])
    await database.close()


def refusals_are_problems(_context: Any, response: Response, _case: Case[Any]) -> None:
    """4xx is problem+json with the status and a stable code."""
    if not 400 <= response.status_code < 500:
        return
    kind = response.headers.get("content-type", [""])[0]
    if kind != PROBLEM:
        raise Failure(operation="", title="Refusal without a problem", message=f"{response.status_code} is {kind}")
    problem = response.json()
    if problem["status"] != response.status_code or not problem["code"] or not problem["detail"]:
        raise Failure(operation="", title="Refusal without its particulars", message=str(problem))


def no_server_error(context: Any, response: Response, case: Case[Any]) -> None:
    """The registry is not there in this test, nor is a root key: to say so is an answer, other 5xx are mistakes."""
    if response.status_code == 503 and response.json().get("code") in (
        "names_unavailable",
        "bundle_not_certified",
    ):
        return
    not_a_server_error(context, response, case)


CHECKS = [no_server_error, refusals_are_problems, content_type_conformance, response_schema_conformance]


def _try(
    operation: Operation,
    who: st.SearchStrategy[Role | None],
    callers: Callers,
    mode: GenerationMode,
    examples: int,
) -> list[int]:
    """Send `examples` generated requests; returns the statuses. Raises schemathesis' failure with a curl line."""
    statuses: list[int] = []

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(mode), who, st.integers(0, 2**32))
    def send(case: Case[Any], role: Role | None, number: int) -> None:
        dice = random.Random(number)
        if mode is GenerationMode.POSITIVE:
            case.path_parameters = callers.ids.put_into(case.path_parameters, dice)
            case.query = callers.ids.put_into(case.query, dice)
            case.body = callers.ids.put_into(case.body, dice)
            if "If-Match" in case.headers:
                case.headers["If-Match"] = etag(dice.choice([1, 1, 2]))
        response = case.call(headers=callers.headers[role], timeout=60)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)
        if response.status_code < 300 and "json" in response.headers.get("content-type", [""])[0]:
            callers.ids.learn(response.json())

    send()
    return statuses


def _try_all(app: FastAPI, issuer: TestIssuer) -> None:
    """Raises the first failure. The application's lifespan, and with it its pool, has ended afterwards."""
    print(f"repeat with UNION_TEST_SEED={SEED}")
    try:
        _try_operations(app, issuer)
    finally:
        shutdown_lifespans()


def _try_operations(app: FastAPI, issuer: TestIssuer) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    callers = Callers(issuer)
    welcome = welcome_roles(app)
    operations = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    lists = [o for o in operations if o.method == "get" and "{" not in o.path]
    posts = [o for o in operations if o.method == "post"]
    others = [o for o in operations if o not in lists and o not in posts]
    for operation in lists:
        _try(operation, st.just(Role.FEDERAL_STAFF), callers, GenerationMode.POSITIVE, LEARNING)
    for operation in (*posts, *others, *lists):
        who = callers.mostly(welcome[operation.path, operation.method.upper()])
        statuses = _try(operation, who, callers, GenerationMode.POSITIVE, VALID)
        with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
            statuses += _try(operation, who, callers, GenerationMode.NEGATIVE, INVALID)
        print(operation.label, dict(sorted(Counter(statuses).items())))
        assert statuses


def test_generated_requests_never_meet_a_server_error(app: FastAPI, issuer: TestIssuer) -> None:
    _try_all(app, issuer)


def test_a_route_that_breaks_on_some_input_is_found(issuer: TestIssuer) -> None:
    """The check itself is checked: on a service whose only route divides by what it is sent."""
    fragile = router()

    @fragile.get("/shares")
    async def share(among: int) -> dict[str, int]:
        return {"each": 100 // among if among >= 0 else 0 // 0}

    settings = Settings(
        database_url=SecretStr("postgresql+asyncpg://nobody@127.0.0.1:1/none"), jwks_url=issuer.jwks_url
    )
    with pytest.raises(FailureGroup, match="Server error"):
        _try_all(build_api(replace(toy.service, routers=[fragile]), settings), issuer)
