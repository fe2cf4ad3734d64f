"""Who has the committed OpenAPI document, a token and nothing else gets a member through a year of membership.

The client below knows no address, no header and no field but those that the document names, and holds every answer
against it.
"""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from common.testing import TestIssuer

DOCUMENT = json.loads((Path(__file__).parents[3] / "docs" / "openapi" / "registry.json").read_text())


class Api:
    """A client made of the document: `await api.call(OPERATION, token, body, parameter=…)`."""

    def __init__(self, http: httpx.AsyncClient, document: dict[str, Any]) -> None:
        self._http, self._document = http, document
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        }

    async def call(self, name: str, token: str | None = None, body: Any = None, **given: Any) -> httpx.Response:
        method, path, operation = self._operations[name]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        query: dict[str, Any] = {}
        for parameter in operation.get("parameters", []):
            key = parameter["name"].replace("-", "_").lower()
            if key == "idempotency_key":
                headers[parameter["name"]] = str(uuid.uuid4())
            elif key in given:
                value = str(given.pop(key))
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", value)
                else:
                    (headers if parameter["in"] == "header" else query)[parameter["name"]] = value
            else:
                assert not parameter.get("required"), f"{name} needs {parameter['name']}"
        assert not given, f"{name} knows no {given}"
        if body is not None:
            self._hold(body, operation["requestBody"])
        answer = await self._http.request(method.upper(), path, headers=headers, params=query, json=body)
        responses = operation["responses"]
        assert answer.is_success == (str(answer.status_code) in responses), answer.text
        self._hold(answer.json(), responses.get(str(answer.status_code), responses["default"]))
        return answer

    def _hold(self, value: Any, described: dict[str, Any]) -> None:
        (content,) = described["content"].values()
        schema = {**content["schema"], "components": self._document["components"]}
        jsonschema.validate(value, schema, jsonschema.Draft202012Validator)


@pytest.fixture
def api(client: httpx.AsyncClient) -> Api:
    return Api(client, DOCUMENT)


async def test_a_newcomer_finds_their_way_by_the_document_alone(api: Api, issuer: TestIssuer) -> None:
    federal = issuer.token("federal_staff")
    place, made = None, {}
    for kind, code in (("federal", "0"), ("regional", "55"), ("territorial", "55-1"), ("primary", "55-1-1")):
        body = {"kind": kind, "code": code, "name": f"Организация {code}", "parent_id": place}
        place = (await api.call("create_organisation", federal, body)).json()["organisation_id"]
        made[kind] = place
    found = (await api.call("find_organisations", q="55-1-1")).json()["items"]
    assert [one["organisation_id"] for one in found] == [made["primary"]]
    texts = (await api.call("read_consent_texts")).json()
    application = {
        "organisation_id": made["primary"],
        "last_name": "Иванова",
        "first_name": "Мария",
        "birth_date": "1990-02-03",
        "sex": "female",
        "category": "working",
        "consents": [text["purpose"] for text in texts],
    }
    receipt = (await api.call("apply", body=application)).json()
    chair = issuer.token("primary_staff", organisation_id=made["primary"])
    silent = await api.call("list_applications", chair)
    assert silent.json()["code"] == "purpose_required", "the refusal says what to send"
    records = {"x_purpose": "membership_records"}
    (waiting,) = (await api.call("list_applications", chair, status="submitted", **records)).json()["items"]
    key = waiting["application_id"]
    assert key == receipt["application_id"]
    followed = await api.call("follow_application", x_follow_code=receipt["follow_code"])
    assert followed.json()["status"] == "submitted"
    decision = {"protocol_number": "1"}
    member = (await api.call("admit_applicant", chair, decision, application_id=key)).json()["member_id"]
    read = await api.call("read_member", chair, member_id=member, **records)
    change = {"phone": "+79130000001"}
    about = {"member_id": member, "if_match": read.headers["etag"], **records}
    await api.call("change_member", chair, change, **about)
    stale = await api.call("change_member", chair, change, **about)
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    page = (await api.call("synchronise", chair, device_id=uuid.uuid4(), x_purpose="sync")).json()
    assert [(one["last_name"], one["phone"]) for one in page["members"]] == [("Иванова", "+79130000001")]
    await api.call("leave", issuer.token("member", member_id=member), {}, member_id=member)
    again = await api.call("leave", chair, {}, member_id=member)
    assert again.json()["code"] == "membership_ended"


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and "_v1_" not in name for name in names)
