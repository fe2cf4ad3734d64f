"""What a phone asks for and gets, page by page."""

from typing import Any

from tests.pocket import Pocket


async def fresh(world: Any) -> Pocket:
    """A phone of the school's chair, synchronised while the school is empty."""
    pocket = Pocket(world.client, world.staff("primary_staff", world.school))
    await pocket.pull()
    return pocket


async def page(pocket: Pocket, **params: Any) -> dict[str, Any]:
    asked = {"device_id": pocket.device_id, **({"cursor": pocket.cursor} if pocket.cursor else {}), **params}
    answer = await pocket.http.get("/v1/sync", params=asked, headers={**pocket.bearer, "X-Purpose": "sync"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def stones(pocket: Pocket) -> set[tuple[str, str]]:
    """The tombstones of the next page, which the phone takes."""
    found = await page(pocket)
    pocket.store.take(found)
    pocket.cursor = found["cursor"]
    return {(stone["id"], stone["reason"]) for stone in found["tombstones"]}
