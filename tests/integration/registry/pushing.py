"""What a phone sends: one operation's outcome, and the conflicts that wait in the office."""

from typing import Any

from tests.pocket import Pocket

PERSON = {
    "last_name": "Ёлкина",
    "first_name": "Вера",
    "patronymic": "Ивановна",
    "birth_date": "1985-04-05",
    "sex": "female",
    "phone": "+79135550001",
    "category": "working",
    "consents": ["membership", "cards"],
    "protocol_number": "12",
}


async def outcome(pocket: Pocket, operation: str) -> tuple[str, str | None]:
    await pocket.push()
    result = pocket.results[operation]
    return result["outcome"], result["code"]


async def conflicts(world: Any, done: Any, **params: Any) -> list[dict[str, Any]]:
    headers = world.staff("primary_staff", world.school)
    return list(done(await world.client.get("/v1/sync/conflicts", params=params, headers=headers))["items"])
