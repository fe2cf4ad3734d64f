"""What each service counts: the others through their APIs with our own token, this one by the same statements."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from common.counts import CountBuckets, Counts, MembersCounted
from common.credentials import NoCredentials, ServiceToken
from common.errors import BusinessError
from common.http import Page, PageParams
from reports.models import Member, Organisation

COUNTS = Counts(Member, Organisation)
_PAGE = 500

Body = TypeVar("Body", bound=BaseModel)
OfBucket = dict[UUID, MembersCounted]


class NotComparable(BusinessError):
    status = 503
    code = "not_comparable"

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} does not tell its counts ({reason}); mend that and compare again.")


class Source(Protocol):
    async def buckets(self) -> CountBuckets: ...

    async def of_bucket(self, bucket: str) -> OfBucket:
        """By organisation."""


@dataclass(frozen=True)
class OverHttp:
    """Another service."""

    name: str
    client: httpx.AsyncClient
    token: ServiceToken

    async def buckets(self) -> CountBuckets:
        return await self._get(CountBuckets, "/v1/member-counts/buckets", {})

    async def of_bucket(self, bucket: str) -> OfBucket:
        async def page(cursor: str | None) -> tuple[list[MembersCounted], str | None]:
            asked = {"limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
            got = await self._get(Page[MembersCounted], f"/v1/member-counts/buckets/{bucket}", asked)
            return got.items, got.next_cursor

        return await _all(page)

    async def _get(self, body: type[Body], path: str, asked: dict[str, str]) -> Body:
        try:
            answer = await self.client.get(path, params=asked, headers=await self.token.authorization())
            answer.raise_for_status()
            return body.model_validate_json(answer.content)
        except NoCredentials as error:
            raise NotComparable(self.name, str(error)) from None
        except httpx.HTTPStatusError as error:
            raise NotComparable(self.name, f"status {error.response.status_code}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise NotComparable(self.name, type(error).__name__) from None


@dataclass(frozen=True)
class Own:
    """This service, by the statements behind its own routes."""

    session: AsyncSession

    async def buckets(self) -> CountBuckets:
        return await COUNTS.buckets(self.session, _everything)

    async def of_bucket(self, bucket: str) -> OfBucket:
        return await _all(
            lambda cursor: COUNTS.of_bucket(
                self.session, _everything, bucket, PageParams(limit=_PAGE, cursor=cursor)
            )
        )


async def _all(page: Callable[[str | None], Awaitable[tuple[list[MembersCounted], str | None]]]) -> OfBucket:
    items, cursor = await page(None)
    found = {item.organisation_id: item for item in items}
    while cursor is not None:
        items, cursor = await page(cursor)
        found |= {item.organisation_id: item for item in items}
    return found


def _everything(_column: Any) -> sa.ColumnElement[bool]:
    return sa.true()
