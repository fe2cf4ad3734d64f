"""Whatever a phone sends that fits the document: it is answered operation by operation, and never with a failure."""

import random
from collections import Counter
from typing import Any

import hypothesis
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from tests.contracts.callers import KnownIds
from tests.extent import tries
from tests.pocket import Pocket


def bodies(app: FastAPI) -> st.SearchStrategy[Any]:
    schema = schemathesis.openapi.from_dict(app.openapi())
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if (operation.method, operation.path) == ("post", "/v1/sync"):
            return operation.as_strategy().map(lambda case: case.body)
    raise LookupError("POST /v1/sync is not in the document")


async def test_generated_operations_each_have_an_outcome(app: FastAPI, world: Any, done: Any) -> None:
    members = [await world.member(world.school) for _ in range(3)]
    application = (await world.apply(world.school))["application_id"]
    body = {"member_id": await world.member(world.other), "to_organisation_id": str(world.school)}
    transfer = done(await world.client.post("/v1/transfers", json=body, headers=world.federal), 201)["transfer_id"]
    phone = Pocket(world.client, world.staff("primary_staff", world.school))
    await phone.pull()
    ids = KnownIds(
        *({"member_id": member} for member in members),
        {"organisation_id": str(world.school), "to_organisation_id": str(world.other)},
        {"application_id": application, "transfer_id": transfer, "device_id": phone.device_id},
    )
    outcomes: Counter[str] = Counter()

    @hypothesis.settings(
        max_examples=tries(60, long=300),
        database=None,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(bodies(app), st.integers(0, 2**32))
    def collect(sent: Any, number: int) -> None:
        generated.append(ids.put_into(sent, random.Random(number)))

    generated: list[Any] = []
    collect()
    for sent in generated:
        # One by one: what cannot be read takes the whole batch with it.
        for operation in sent["operations"]:
            one = {"device_id": sent["device_id"], "operations": [_alike(operation)]}
            # Nobody sends so much a minute: the limit is another test's.
            sender = world.issuer.bearer(
                "primary_staff", sub=f"sender-{outcomes.total() // 100}", organisation_id=world.school
            )
            answer = await world.client.post("/v1/sync", json=one, headers=sender)
            assert answer.status_code in (200, 422), answer.text
            if answer.status_code == 200:
                (result,) = answer.json()["results"]
                assert result["operation_id"] == operation["operation_id"]
                outcomes[result["outcome"]] += 1
            else:
                outcomes[answer.json()["code"]] += 1
    print(dict(outcomes))
    await phone.pull()
    assert sum(outcomes.values()) > 60
    assert outcomes["applied"] + outcomes["merged"] > 0
    assert outcomes["refused"] > 0


def _alike(operation: dict[str, Any]) -> dict[str, Any]:
    """`base` of the fields in `changes`: the document cannot say that they are the same."""
    if operation.get("kind") == "change_member" and isinstance(operation.get("changes"), dict):
        base = operation.get("base") or {}
        operation = {**operation, "base": {name: base.get(name) for name in operation["changes"]}}
    return operation
