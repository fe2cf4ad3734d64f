"""Several phones in bad weather: whatever is dropped, repeated or overtaken, all end alike and nothing is lost.

The phones and the office act at random, by a seed that is printed. Requests are lost on the way there, answers on the
way back (after the commit), requests arrive twice, operations are sent in another order or once more, clocks are wrong,
an organisation moves and a term ends. At last the weather clears, everybody synchronises, and the books are compared.
"""

import asyncio
import itertools
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from common.db import Database
from tests.pocket import Pocket

SEEDS = [int(os.environ["UNION_TEST_SEED"])] if "UNION_TEST_SEED" in os.environ else [20260301, 7]
STEPS = 90
DECIDED = {"applied", "merged"}

# Every phone number that a member ever had, by the database's own account.
HISTORY = """
create table phone_history (phone text);
create function keep_phone() returns trigger language plpgsql as $$
begin insert into phone_history values (new.phone); return null; end $$;
create trigger keep_phone after update of phone on person for each row execute function keep_phone();
"""


class Weather(httpx.AsyncBaseTransport):
    """The network between a phone and the registry."""

    def __init__(self, app: FastAPI, dice: random.Random) -> None:
        self._way = httpx.ASGITransport(app)
        self._dice = dice
        self.bad = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fate = self._dice.random() if self.bad else 1.0
        if fate < 0.15:
            raise httpx.ConnectError("lost on the way there", request=request)
        answer = await self._way.handle_async_request(request)
        if fate < 0.3:
            await answer.aread()
            raise httpx.ReadError("lost on the way back", request=request)
        if fate < 0.4:
            await answer.aread()
            answer = await self._way.handle_async_request(request)
        return answer


def entry(numbers: Any, organisation: str) -> dict[str, Any]:
    """Somebody whose name nobody else has."""
    letters = "".join("абвгдежзик"[int(figure)] for figure in f"{next(numbers):04d}")
    return {
        "organisation_id": organisation,
        "last_name": f"Новикова-{letters}",
        "first_name": "Ада",
        "birth_date": "1980-05-06",
        "sex": "female",
        "category": "working",
        "consents": ["membership"],
        "protocol_number": "5",
    }


class Person:
    """Somebody with a phone, who taps on it at random."""

    def __init__(self, pocket: Pocket, numbers: Any, dice: random.Random) -> None:
        self.pocket, self._numbers, self._dice = pocket, numbers, dice
        self.made: dict[str, dict[str, Any]] = {}

    def act(self, entering: str | None = None) -> None:
        """A few taps; `entering` somebody into that organisation besides."""
        before = len(self.pocket.queue)
        if entering:
            self.pocket.do("admit_member", **entry(self._numbers, entering))
        for _ in range(self._dice.randint(1, 4)):
            self._tap()
        for operation in self.pocket.queue[before:]:
            operation["made_at"] = f"{self._dice.choice([1970, 2026, 2099])}-02-03T04:05:06+03:00"
            self.made[operation["operation_id"]] = operation

    def _tap(self) -> None:
        store, dice = self.pocket.store, self._dice
        if store.members:
            member = dice.choice(sorted(store.members))
            choice = dice.random()
            if choice < 0.6:
                changes: dict[str, Any] = {"phone": f"+7999{next(self._numbers):07d}"}
                if dice.random() < 0.4:
                    changes["category"] = dice.choice(["working", "student", "pensioner"])
                self.pocket.change(member, **changes)
            elif choice < 0.68:
                self.pocket.about("leave", member)
            elif choice < 0.8:
                kind = dice.choice(["give_consent", "withdraw_consent"])
                self.pocket.about(kind, member, purpose=dice.choice(["bonus", "cards"]))
            elif len(store.organisations) > 1 or choice < 0.9:
                to = dice.choice(sorted(store.organisations))
                self.pocket.about("release_member", member, to_organisation_id=to)
        if store.organisations and dice.random() < 0.15:
            self.pocket.do("admit_member", **entry(self._numbers, dice.choice(sorted(store.organisations))))
        if store.applications and dice.random() < 0.5:
            application = dice.choice(sorted(store.applications))
            grounds = dice.choice(
                [{"decision": "admit", "protocol_number": "7"}, {"decision": "decline", "reason": "Нет"}]
            )
            self.pocket.decide(application, **grounds)
        if store.transfers and dice.random() < 0.7:
            transfer = dice.choice(sorted(store.transfers))
            if dice.random() < 0.6:
                self.pocket.answer_transfer("accept_transfer", transfer)
            else:
                self.pocket.answer_transfer("refuse_transfer", transfer, reason="Нет")

    def muddle(self) -> None:
        """Send in another order, and something once more that was answered long ago."""
        self._dice.shuffle(self.pocket.queue)
        answered = sorted(self.pocket.results.keys() & self.made.keys())
        if answered:
            again = self.made[self._dice.choice(answered)]
            self.pocket.queue.insert(0, again)
            del self.pocket.results[again["operation_id"]]

    async def synchronise(self) -> None:
        with suppress(httpx.TransportError):
            if self._dice.random() < 0.2:
                self.muddle()
            await self.pocket.push()
            if self._dice.random() < 0.8:
                await self.pocket.pull()


async def office_acts(world: Any, dice: random.Random, numbers: Any, members: list[str]) -> None:
    """What happens in the registry itself, meanwhile; refusals are part of it."""
    member = dice.choice(members)
    day = {"effective_on": "2021-06-01"}
    choice = dice.random()
    if choice < 0.45:
        await world.patch(f"/v1/members/{member}", {"phone": f"+7888{next(numbers):07d}"})
    elif choice < 0.6:
        place = dice.choice([world.school, world.other])
        body = {"member_id": member, "to_organisation_id": str(place), **day}
        made = await world.client.post("/v1/transfers", json=body, headers=world.federal)
        if made.status_code == 201 and dice.random() < 0.6:
            path = f"/v1/transfers/{made.json()['transfer_id']}/accept"
            await world.client.post(path, json=day, headers=world.federal)
    elif choice < 0.65:
        await world.client.post(f"/v1/members/{member}/leave", json=day, headers=world.federal)
    elif choice < 0.8:
        await world.apply(dice.choice([world.school, world.other]))
    elif choice < 0.9:
        members.append(await world.member(dice.choice([world.school, world.other])))
    else:
        await office_decides(world, dice)


async def office_decides(world: Any, dice: random.Random) -> None:
    """Somebody looks at what waits and decides the first of it; it may be overtaken or impossible."""
    kind = dice.choice(["conflicts", "stranded"])
    items = (await world.client.get(f"/v1/sync/{kind}", headers=world.federal)).json()["items"]
    if items:
        item, take = items[0], dice.random() < 0.5
        verb = "resolve" if kind == "conflicts" else ("accept" if take else "decline")
        body = {"current_version": item["current_version"]} if take else {"reason": "Нет"}
        if kind == "conflicts":
            body["take"] = "phone" if take else "current"
        path = f"/v1/sync/{kind}/{item['item_id']}/{verb}"
        answer = await world.client.post(path, json=body, headers=world.federal)
        assert answer.status_code in (200, 404, 409, 422), answer.text


async def truth(world: Any, done: Any, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the lists of the API show the phone's owner."""
    found = {}
    for kind, path, status in (
        ("organisation", "/v1/organisations", None),
        ("member", "/v1/members", "member"),
        ("application", "/v1/applications", "submitted"),
        ("transfer", "/v1/transfers", "released"),
    ):
        params = {"limit": 500, **({"status": status} if status else {})}
        page = done(await world.client.get(path, params=params, headers=headers))
        assert page["next_cursor"] is None
        found[kind] = {row[f"{kind}_id"]: row for row in page["items"]}
    return found


async def waiting(world: Any, done: Any) -> set[str]:
    """The items that wait in any office."""
    keys = set()
    for path in ("/v1/sync/conflicts", "/v1/sync/stranded"):
        page = done(await world.client.get(path, params={"limit": 500}, headers=world.federal))
        assert page["next_cursor"] is None
        keys |= {item["item_id"] for item in page["items"]}
    return keys


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_phones_converge_and_nothing_is_lost(
    seed: int, app: FastAPI, world: Any, done: Any, database: Database
) -> None:
    print(f"repeat with UNION_TEST_SEED={seed}")
    dice, numbers = random.Random(seed), itertools.count(1)
    async with database.sessions.begin() as session:
        for statement in filter(str.strip, HISTORY.split(";\n")):
            await session.execute(sa.text(statement))
    members = [await world.member(dice.choice([world.school, world.other])) for _ in range(12)]
    second_town = await world.organisation("territorial", world.region)
    weathers: list[Weather] = []

    def person(role: str, organisation: Any, sub: str) -> Person:
        weathers.append(Weather(app, random.Random(f"{seed} weather {len(weathers)}")))
        http = httpx.AsyncClient(transport=weathers[-1], base_url="http://service")
        bearer = {**world.issuer.bearer(role, sub=sub, organisation_id=organisation), "X-Purpose": "sync"}
        return Person(
            Pocket(http, bearer, page=dice.choice([3, 500])),
            numbers,
            random.Random(f"{seed} {sub} {len(weathers)}"),
        )

    people = [
        person("primary_staff", world.school, "school-chair"),
        person("primary_staff", world.school, "school-chair"),
        person("primary_staff", world.school, "school-deputy"),
        person("primary_staff", world.other, "other-chair"),
        person("territorial_staff", world.town, "town"),
        person("territorial_staff", second_town, "second-town"),
    ]
    leaving = person("primary_staff", world.school, "leaving-chair")
    people.append(leaving)

    async def step(number: int) -> None:
        who = dice.choice(people)
        choice = dice.random()
        if number == STEPS // 2:
            move = {"parent_id": str(second_town), "reason": "Так решено", "effective_on": "2021-06-01"}
            path = f"/v1/organisations/{world.school}/move"
            done(await world.client.post(path, json=move, headers=world.federal))
        elif number == STEPS * 2 // 3:
            until = {"organisation_id": world.school, "powers_until": "2020-12-31"}
            leaving.act(entering=str(world.school))
            leaving.pocket.bearer = world.issuer.bearer("primary_staff", sub="leaving-chair", **until)
        elif choice < 0.4:
            who.act()
        elif choice < 0.65:
            await who.synchronise()
        elif choice < 0.75:
            acts: list[Callable[[], Awaitable[None]]] = [one.synchronise for one in dice.sample(people, 3)]
            await asyncio.gather(*(act() for act in acts), office_acts(world, dice, numbers, members))
        else:
            await office_acts(world, dice, numbers, members)

    for who in people:
        await who.synchronise()
    for number in range(STEPS):
        await step(number)
    for weather in weathers:
        weather.bad = False
    for _ in range(2):
        for who in people:
            await who.pocket.synchronise()
    in_offices = await waiting(world, done)
    outcomes: dict[str, int] = {}
    async with database.sessions() as session:
        rows = (
            await session.execute(sa.text("select operation_id, outcome, state, item_id from sync_operation"))
        ).all()
        phones = set(await session.scalars(sa.text("select phone from phone_history")))
        names = list(await session.scalars(sa.text("select last_name from person join member using (person_id)")))
    kept = {str(row.operation_id): row for row in rows}
    assert len(kept) == len(rows) == sum(len(who.made) for who in people)
    for who in people:
        pocket = who.pocket
        assert (pocket.queue, pocket.broken) == ([], [])
        assert pocket.results.keys() == who.made.keys(), "every operation has its answer"
        told = await pocket.outcomes()
        for key, operation in who.made.items():
            row = kept[key]
            assert pocket.results[key]["outcome"] == told[key]["outcome"] == row.outcome
            assert (row.outcome in DECIDED) == (row.state == "done")
            assert (row.state == "open") == (str(row.item_id) in in_offices), "what is not done waits for somebody"
            outcomes[row.outcome] = outcomes.get(row.outcome, 0) + 1
            if operation["kind"] == "change_member":
                written = operation["changes"]["phone"] in phones
                fields = pocket.results[key]["applied_fields"]
                assert written == ("phone" in fields) or row.state == "accepted", "what was answered is written"
            if operation["kind"] == "admit_member":
                done_by = row.outcome in DECIDED or row.state == "accepted"
                assert names.count(operation["last_name"]) == done_by, "once, if at all"
        if who is leaving:
            assert pocket.store == Pocket(pocket.http, {}).store
            continue
        held = {kind: pocket.store.table(kind) for kind in ("organisation", "member", "application", "transfer")}
        assert held == await truth(world, done, pocket.bearer)
    print(outcomes)
    assert {"applied", "merged", "conflict", "rerouted", "refused"} <= outcomes.keys(), "the seed meets them all"
