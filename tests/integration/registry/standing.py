"""What stands at a place so that a route can be asked about it, and the requests of the care of personal data."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from common.db import Database
from registry.models import ReadingAlarm
from tests.integration.registry import care
from tests.walker import Builder, Call

PERSON = {
    "last_name": "Преображенская",
    "first_name": "Евпраксия",
    "patronymic": "Дормидонтовна",
    "phone": "+79137654321",
    "email": "evpraxia@example.org",
}


class Standing:
    """Makes members, transfers and records at a place."""

    def __init__(self, world: Any, database: Database, places: dict[str, UUID], elsewhere: UUID) -> None:
        self.world, self.database, self.places, self.elsewhere = world, database, places, elsewhere
        self._days = iter(range(1, 10_000))

    async def a_member(self, organisation: UUID) -> str:
        """Born on a day of their own, so that nobody is taken for another."""
        born = datetime(1950, 1, 1, tzinfo=UTC).date() + timedelta(days=next(self._days))
        return str(await self.world.member(organisation, **{**PERSON, "birth_date": f"{born}"}))

    async def a_transfer(self, source: UUID, target: UUID) -> tuple[str, str]:
        member = await self.a_member(source)
        body = {"member_id": member, "to_organisation_id": str(target), "effective_on": "2021-05-20"}
        answer = await self.world.client.post("/v1/transfers", json=body, headers=self.world.federal)
        return answer.json()["transfer_id"], member

    async def _written(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.world.client.post(path, json=body, headers=self.world.federal)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def asked(self, place: str) -> str:
        """A merge that waits for its second person, asked for by none of the callers."""
        asker = self.world.issuer.bearer("federal_staff", sub="asker")
        pair = [await self.a_member(self.places[place]) for _ in range(2)]
        asked = await care.ask_merge(self.world, pair[0], pair[1], asker)
        assert asked.is_success, asked.text
        return str(asked.json()["approval_id"])

    async def a_record(self, kind: str, place: str) -> str:
        if kind == "erasures":
            return await care.erase(self.world, await self.a_member(self.places[place]))
        approval = await self.asked(place)
        if kind == "merges":
            return str((await care.approve(self.world, approval)).json()["result"]["merge_id"])
        if kind == "duplicates":
            # Refused, it is a pair that waits for a decision again.
            await self._written(f"/v1/approvals/{approval}/refuse", {"reason": "Нет"})
            async with self.database.sessions() as session:
                newest = sa.text("select duplicate_id from duplicate order by duplicate_id desc limit 1")
                return str(await session.scalar(newest))
        return approval

    def _as_is(self, path: str, **params: str) -> Builder:
        async def build(_place: str) -> Call:
            return Call(path, params=params, addressed=False)

        return build

    def _listed(self, path: str) -> Builder:
        async def build(_place: str) -> Call:
            return Call(path, addressed=False, params={"limit": "500"} if path != "/v1/headline" else {})

        return build


class CareRequests(Standing):
    """Doubles, merges, second persons, erasures, the log of readers."""

    def care(self) -> dict[str, Builder]:
        """Doubles, merges, second persons, erasures, the log of readers."""
        lists = ("duplicates", "merges", "approvals", "erasures", "access-log", "exposures", "reading-alarms")
        return {
            **{f"GET /v1/{name}": self._as_is(f"/v1/{name}") for name in lists},
            "GET /v1/public/statistics": self._as_is("/v1/public/statistics"),
            "POST /v1/reading-alarms/{alarm_id}/close": self.alarm,
            "POST /v1/merges": self.ask_merge,
            "POST /v1/merges/{merge_id}/undo": self._record("merges", "/undo", {}),
            "GET /v1/duplicates/{duplicate_id}": self._record("duplicates", ""),
            "POST /v1/duplicates/{duplicate_id}/not-same": self._record("duplicates", "/not-same", {}),
            "POST /v1/duplicates/{duplicate_id}/hand-over": self._record("duplicates", "/hand-over", {}),
            "GET /v1/approvals/{approval_id}": self._record("approvals", ""),
            "POST /v1/approvals/{approval_id}/approve": self._record("approvals", "/approve", {}),
            "POST /v1/approvals/{approval_id}/refuse": self._record("approvals", "/refuse", {"reason": "Нет"}),
            "POST /v1/erasures": self.ask_erasure,
            **{
                f"GET /v1/erasures/{{erasure_id}}/{what}": self._record("erasures", f"/{what}")
                for what in ("act", "act.txt", "told")
            },
        }

    def _record(self, kind: str, end: str, body: Any = None) -> Builder:
        async def build(place: str) -> Call:
            return Call(f"/v1/{kind}/{await self.a_record(kind, place)}{end}", body)

        return build

    async def ask_merge(self, place: str) -> Call:
        pair = [await self.a_member(self.places[place]) for _ in range(2)]
        body = {"survivor_member_id": pair[0], "absorbed_member_id": pair[1], "reason": "Так решено"}
        return Call("/v1/merges", body)

    async def ask_erasure(self, place: str) -> Call:
        member = await self.a_member(self.places[place])
        return Call("/v1/erasures", {"member_id": member, "request_number": "1", "reason": "Так решено"})

    async def alarm(self, _place: str) -> Call:
        """Of nobody's place: alarms are the centre's."""
        alarm_id, now = uuid4(), datetime.now(UTC)
        async with self.database.sessions.begin() as session:
            session.add(
                ReadingAlarm(
                    alarm_id=alarm_id,
                    subject=str(alarm_id),
                    hour=now,
                    kind="limit",
                    persons=2,
                    expected=1,
                    raised_at=now,
                )
            )
        return Call(f"/v1/reading-alarms/{alarm_id}/close", {"conclusion": "Так решено"}, addressed=False)
