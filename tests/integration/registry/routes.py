"""A request to each of the registry's routes, for the walk over all routes and all roles."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from tests.integration.registry import phones
from tests.integration.registry.standing import PERSON, CareRequests
from tests.walker import Builder, Call

SECRETS = (*PERSON.values(), "1977-11-23")
DAY = {"effective_on": "2021-06-01"}
DECISION = {"protocol_number": "3", "reason": "Так решено", **DAY}
TODAY = datetime.now(UTC).date()


class Requests(CareRequests):
    """Builds the request of a route for the organisation of a place."""

    def builders(self) -> dict[str, Builder]:
        return {
            "GET /v1/public/regions": self._as_is("/v1/public/regions"),
            "GET /v1/public/organisations": self._as_is("/v1/public/organisations", q="сош"),
            "GET /v1/public/organisations/{organisation_id}": self._as_is(
                f"/v1/public/organisations/{self.world.school}"
            ),
            "GET /v1/public/consent-texts": self._as_is("/v1/public/consent-texts"),
            "GET /v1/public/application": self.follow,
            "POST /v1/public/application/withdraw": self.withdraw,
            "POST /v1/applications": self.apply,
            "GET /v1/applications": self._listed("/v1/applications"),
            "GET /v1/applications/{application_id}": self._application(""),
            "POST /v1/applications/{application_id}/admit": self._application(
                "/admit", {"protocol_number": "3", "namesake_confirmed": True, **DAY}
            ),
            "POST /v1/applications/{application_id}/decline": self._application("/decline", {"reason": "Нет"}),
            "POST /v1/organisations": self.open_organisation,
            "GET /v1/organisations": self._listed("/v1/organisations"),
            "GET /v1/organisations/{organisation_id}": self._organisation("", fresh=False),
            "PATCH /v1/organisations/{organisation_id}": self._organisation("", {"employed": 7, **DAY}),
            "POST /v1/organisations/{organisation_id}/move": self.move_organisation,
            "POST /v1/organisations/{organisation_id}/close": self._organisation(
                "/close", {"reason": "Так решено", **DAY}
            ),
            "GET /v1/organisations/{organisation_id}/access": self._organisation("/access", fresh=False),
            "POST /v1/organisations/{organisation_id}/offices": self.elect,
            "GET /v1/member-counts": self._listed("/v1/member-counts"),
            "GET /v1/member-counts/buckets": self._as_is("/v1/member-counts/buckets"),
            "GET /v1/member-counts/buckets/{bucket}": self.bucket,
            "GET /v1/headline": self._listed("/v1/headline"),
            "POST /v1/members": self.enter_member,
            "GET /v1/members": self._listed("/v1/members"),
            "GET /v1/members/{member_id}": self._member(""),
            "PATCH /v1/members/{member_id}": self._member("", {"phone": "+79137654321", **DAY}),
            "GET /v1/members/{member_id}/history": self._member("/history"),
            "GET /v1/members/{member_id}/extract": self._member("/extract"),
            "GET /v1/members/{member_id}/seniority": self._member("/seniority"),
            "POST /v1/members/{member_id}/leave": self._member("/leave", DAY),
            "POST /v1/members/{member_id}/expel": self._member("/expel", DECISION),
            "POST /v1/members/{member_id}/reinstate": self.reinstate,
            "POST /v1/members/{member_id}/consents": self._member(
                "/consents", {"purpose": "bonus", "channel": "paper"}
            ),
            "POST /v1/members/{member_id}/consents/{purpose}/withdraw": self._member(
                "/consents/cards/withdraw", {}
            ),
            "POST /v1/transfers": self.release,
            "GET /v1/transfers": self._listed("/v1/transfers"),
            "POST /v1/transfers/{transfer_id}/accept": self._transfer("/accept", DAY),
            "POST /v1/transfers/{transfer_id}/refuse": self._transfer("/refuse", {"reason": "Нет"}),
            "POST /v1/transfers/{transfer_id}/extend": self._transfer(
                "/extend", {"deadline": f"{TODAY + timedelta(days=9)}"}, late=True
            ),
            "POST /v1/transfers/{transfer_id}/cancel": self.cancel,
            "GET /v1/offices": self._listed("/v1/offices"),
            "GET /v1/offices/{term_id}": self._term(""),
            "PATCH /v1/offices/{term_id}": self._term("", {"released": True}),
            "POST /v1/offices/{term_id}/prolong": self._term(
                "/prolong",
                {"ends_on": f"{TODAY + timedelta(days=900)}", "protocol_number": "4", "protocol_on": "2021-05-01"},
            ),
            "POST /v1/offices/{term_id}/end": self._term("/end", {"reason": "Так решено"}),
            "GET /v1/access/grants": self.grants,
            **self.care(),
            **self.tree(),
            **phones.builders(self),
        }

    def tree(self) -> dict[str, Builder]:
        """Operations on the tree, searches and counts."""
        one, search = "/v1/organisation-operations/{operation_id}", "organisation-search"
        counted = {"counted_on": "2021-01-01", "employed": 7, "students": None}
        return {
            f"GET /v1/{search}": self._as_is(f"/v1/{search}", q="организация"),
            f"GET /v1/public/{search}": self._as_is(f"/v1/public/{search}", q="организация"),
            "GET /v1/organisations/{organisation_id}/counts": self._organisation("/counts", fresh=False),
            "GET /v1/organisations/{organisation_id}/head-counts": self._organisation("/head-counts", fresh=False),
            "POST /v1/organisations/{organisation_id}/head-counts": self._organisation("/head-counts", counted),
            "GET /v1/organisation-operations": self._listed("/v1/organisation-operations"),
            "POST /v1/organisation-operations": self.rename,
            f"GET {one}": self._operation(""),
            f"POST {one}/approve": self._operation("/approve", {}),
            f"POST {one}/cancel": self._operation("/cancel", {}),
            f"POST {one}/undo": self._operation("/undo", {"reason": "Ошибка"}),
        }

    async def bucket(self, place: str) -> Call:
        return Call(f"/v1/member-counts/buckets/{self.places[place].hex[-2:]}", addressed=False)

    def _organisation(self, end: str, body: Any = None, fresh: bool = True) -> Builder:
        async def build(place: str) -> Call:
            key = self.places[place]
            if fresh:
                key = await self.world.organisation("union_group", key)
            return Call(f"/v1/organisations/{key}{end}", body)

        return build

    def _application(self, end: str, body: Any = None) -> Builder:
        async def build(place: str) -> Call:
            receipt = await self.world.apply(self.places[place], **{**PERSON, "birth_date": "1977-11-23"})
            return Call(f"/v1/applications/{receipt['application_id']}{end}", body)

        return build

    def _member(self, end: str, body: Any = None) -> Builder:
        async def build(place: str) -> Call:
            member = await self.a_member(self.places[place])
            return Call(f"/v1/members/{member}{end}", body, member=member)

        return build

    def _transfer(self, end: str, body: Any, late: bool = False) -> Builder:
        async def build(place: str) -> Call:
            transfer, member = await self.a_transfer(self.elsewhere, self.places[place])
            if late:
                async with self.database.sessions.begin() as session:
                    overdue = sa.text("update transfer set deadline = current_date - 1 where transfer_id = :id")
                    await session.execute(overdue, {"id": transfer})
            return Call(f"/v1/transfers/{transfer}{end}", body, member=member)

        return build

    def _term(self, end: str, body: Any = None) -> Builder:
        async def build(place: str) -> Call:
            call = await self.elect(place)
            term = await self._written(call.path, call.body)
            return Call(f"/v1/offices/{term['term_id']}{end}", body, member=call.member)

        return build

    async def elect(self, place: str) -> Call:
        member = await self.a_member(self.places[place])
        body = {
            "member_id": member,
            "office": "committee_member",
            "starts_on": f"{TODAY - timedelta(days=30)}",
            "ends_on": f"{TODAY + timedelta(days=365)}",
            "protocol_number": "1",
            "protocol_on": "2021-05-01",
        }
        return Call(f"/v1/organisations/{self.places[place]}/offices", body, member=member)

    def _operation(self, end: str, body: Any = None) -> Builder:
        """One that can be undone, cancelled, or approved: whatever the route does."""

        async def build(place: str) -> Call:
            asked = (await self.rename(place)).body
            if end == "/approve":
                unit, into = [
                    await self.world.organisation("structural_unit", self.places[place]) for _ in range(2)
                ]
                for _ in range(3):
                    await self.world.organisation("union_group", unit)
                asked |= {"operation": "merge", "organisation_id": str(unit), "into_id": str(into)}
                asked.pop("name")
            if end == "/cancel":
                asked["effective_on"] = str(TODAY + timedelta(days=9))
            another = self.world.issuer.bearer("federal_staff", sub="another")
            answer = await self.world.client.post("/v1/organisation-operations", json=asked, headers=another)
            assert answer.is_success, answer.text
            return Call(f"/v1/organisation-operations/{answer.json()['operation_id']}{end}", body)

        return build

    async def rename(self, place: str) -> Call:
        group = await self.world.organisation("union_group", self.places[place])
        body = {"organisation_id": str(group), "operation": "rename", "name": "Иная", "reason": "Так решено"}
        return Call("/v1/organisation-operations", {**body, **DAY})

    async def grants(self, place: str) -> Call:
        return Call("/v1/access/grants", params={"member_id": await self.a_member(self.places[place])})

    async def open_organisation(self, place: str) -> Call:
        body = {"kind": "union_group", "name": "Новая", "code": f"N{uuid4()}", "effective_on": "2021-01-01"}
        return Call("/v1/organisations", {**body, "parent_id": str(self.places[place])})

    async def move_organisation(self, place: str) -> Call:
        """Within the place, so that both ends of the move are of it."""
        group = await self.world.organisation("union_group", self.places[place])
        body = {"reason": "Так решено", "parent_id": str(self.places[place]), **DAY}
        return Call(f"/v1/organisations/{group}/move", body)

    async def enter_member(self, place: str) -> Call:
        paper = {"protocol_number": "3", "consents": ["membership"], "sex": "female", "namesake_confirmed": True}
        body = {**PERSON, **paper, **DAY, "birth_date": "1977-11-23"}
        return Call("/v1/members", {**body, "organisation_id": str(self.places[place])})

    async def reinstate(self, place: str) -> Call:
        member = await self.a_member(self.places[place])
        await self._written(f"/v1/members/{member}/leave", {"effective_on": "2021-05-01"})
        return Call(f"/v1/members/{member}/reinstate", DECISION, member=member)

    async def release(self, place: str) -> Call:
        member = await self.a_member(self.places[place])
        body = {"member_id": member, "to_organisation_id": str(self.elsewhere), **DAY}
        return Call("/v1/transfers", body, member=member)

    async def cancel(self, place: str) -> Call:
        transfer, member = await self.a_transfer(self.places[place], self.elsewhere)
        return Call(f"/v1/transfers/{transfer}/cancel", {}, member=member)

    async def apply(self, place: str) -> Call:
        return Call("/v1/applications", self.world.application(self.places[place]))

    async def _code(self, place: str) -> str:
        return str((await self.world.apply(self.places[place]))["follow_code"])

    async def follow(self, place: str) -> Call:
        return Call("/v1/public/application", headers={"X-Follow-Code": await self._code(place)})

    async def withdraw(self, place: str) -> Call:
        return Call("/v1/public/application/withdraw", {"follow_code": await self._code(place)})
