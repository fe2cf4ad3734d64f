"""Personal data for what must be printed: from the registry's API with the caller's own token, at that moment.

By the caller's right, and in the registry's log of readers. Whoever is given a person keeps nothing of it.
"""

import functools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import httpx

from common.errors import NamesUnavailable, NamesWithheld

ReadingPurpose = Literal[
    "membership_records",
    "admission",
    "transfer",
    "election",
    "card_personalisation",
    "card_face",
    "payout",
    "dues",
    "report",
    "member_request",
    "import_check",
    "duplicates",
    "sync",
    "control",
    "support",
]
"""Why staff and apps read personal data: what the registry's log of readers knows. New words go here."""

_AT_ONCE = 100
"""Members in one question: an address of 4 KB."""


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The authorities of httpx' choice: read once, for it takes longer than a request."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Person:
    """A member as the registry tells of one."""

    last_name: str
    first_name: str
    patronymic: str
    """Empty when there is none."""
    phone: str | None


class Persons:
    """Asks the registry and forgets."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    def at(cls, registry_url: str) -> "Persons":
        """Nothing is opened before the first question."""
        return cls(httpx.AsyncClient(base_url=registry_url, timeout=20, verify=_trusted()))

    async def one(self, member_id: UUID, authorization: str, purpose: ReadingPurpose) -> Person:
        """One member's name; members may read their own."""
        name = _named(await self._ask(f"/v1/members/{member_id}", {}, authorization, purpose))
        if name is None:
            raise NamesWithheld
        return name

    async def many(
        self, member_ids: Sequence[UUID], authorization: str, purpose: ReadingPurpose
    ) -> dict[UUID, Person]:
        """The members' names. Raises NamesWithheld when the caller may not read every one of them."""
        found: dict[UUID, Person] = {}
        for start in range(0, len(member_ids), _AT_ONCE):
            part = [str(member_id) for member_id in member_ids[start : start + _AT_ONCE]]
            asked = {"member_id": part, "limit": str(_AT_ONCE)}
            for item in (await self._ask("/v1/members", asked, authorization, purpose))["items"]:
                if name := _named(item):
                    found[UUID(item["member_id"])] = name
        if found.keys() != set(member_ids):
            raise NamesWithheld
        return found

    async def _ask(
        self, path: str, asked: dict[str, Any], authorization: str, purpose: ReadingPurpose
    ) -> dict[str, Any]:
        headers = {"Authorization": authorization, "X-Purpose": purpose}
        try:
            answer = await self._client.get(path, params=asked, headers=headers)
        except httpx.HTTPError:
            raise NamesUnavailable from None
        if answer.status_code in (401, 403, 404):
            raise NamesWithheld
        if answer.status_code != 200:
            raise NamesUnavailable(
                f"The registry does not tell names now (status {answer.status_code}); try later."
            )
        body: dict[str, Any] = answer.json()
        return body


def _named(item: dict[str, Any]) -> Person | None:
    """None for a member without a name: the person was erased, or the caller may not read it."""
    if not item.get("last_name") or not item.get("first_name"):
        return None
    return Person(item["last_name"], item["first_name"], item.get("patronymic") or "", item.get("phone"))
