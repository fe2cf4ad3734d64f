"""What the tests of doubles, merges and erasures do with the small world."""

from datetime import UTC, datetime
from typing import Any

from common.db import Database
from registry.commands.duplicates import examine_new_people
from registry.config import RegistrySettings


async def examine(database: Database, settings: Any) -> None:
    """What the worker's round does."""
    assert isinstance(settings, RegistrySettings)
    async with database.sessions.begin() as session:
        await examine_new_people(session, datetime.now(UTC), settings)


async def queue(world: Any, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    response = await world.client.get("/v1/duplicates", params=params, headers=headers or world.federal)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


def second(world: Any, role: str = "federal_staff", organisation: Any = None) -> dict[str, str]:
    """Another person of the same rights as `world.staff(role, organisation)`."""
    bearer: dict[str, str] = world.issuer.bearer(role, sub=f"{role}-2", organisation_id=organisation)
    return {**bearer, "X-Purpose": "duplicates"}


async def ask_merge(world: Any, survivor: str, absorbed: str, headers: Any = None, **fields: Any) -> Any:
    body = {
        "survivor_member_id": survivor,
        "absorbed_member_id": absorbed,
        "reason": "Одна и та же учительница",
        **fields,
    }
    return await world.client.post("/v1/merges", json=body, headers=headers or world.federal)


async def approve(world: Any, approval_id: str, headers: Any = None) -> Any:
    path = f"/v1/approvals/{approval_id}/approve"
    return await world.client.post(path, headers=headers or second(world))


async def merge(world: Any, survivor: str, absorbed: str, **fields: Any) -> dict[str, Any]:
    """Asked for and approved; the merge's result."""
    asked = await ask_merge(world, survivor, absorbed, **fields)
    assert asked.status_code == 201, asked.text
    done = await approve(world, asked.json()["approval_id"])
    assert done.status_code == 200, done.text
    return dict(done.json()["result"])


async def erase(world: Any, member_id: str, number: str = "17/2026") -> str:
    """Asked for and approved; the erasure's id."""
    body = {"member_id": member_id, "request_number": number, "reason": "Заявление"}
    asked = await world.client.post("/v1/erasures", json=body, headers=world.federal)
    assert asked.status_code == 201, asked.text
    done = await approve(world, asked.json()["approval_id"])
    assert done.status_code == 200, done.text
    return str(done.json()["result"]["erasure_id"])
