"""The region's year 2021, played through the public APIs as clients would."""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from union.demo.clients import Apis, Refused, in_parallel
from union.demo.people import applicant
from union.demo.progress import Stage

YEAR = 2021
CARD_SHARE, BONUS_SHARE = 0.1, 0.015
"""Shares of the members who consent in the year; the union as a whole reached 35 % and 7 % in several."""


PassDeadline = Callable[[str], Awaitable[None]]
"""Lets the deadline of a transfer, by its id, lie in the past: the play does not wait for thirty days."""


@dataclass
class Played:
    """What the year left behind that later steps need; ids only."""

    region: str
    consented: list[str] = field(default_factory=list)
    bonus: list[str] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)
    declined: int = 0
    transferred: int = 0
    transfers_refused: int = 0
    changed: int = 0
    left: int = 0
    expelled: int = 0
    reinstated: int = 0
    elected: int = 0
    escalated: int = 0


def day(dice: random.Random, first_month: int = 1, last_month: int = 12) -> str:
    start = date(YEAR, first_month, 1)
    end = date(YEAR, last_month, 28)
    return (start + timedelta(days=dice.randrange((end - start).days))).isoformat()


def term(today: date) -> tuple[date, date]:
    """The term of office of five years that holds today, of those that follow one another from the year's February."""
    begins = date(YEAR, 2, 1)
    while (following := date(begins.year + 5, 2, 1)) <= today:
        begins = following
    return begins, date(begins.year + 5, 1, 31)


async def play(apis: Apis, dice: random.Random, stage: Stage, pass_deadline: PassDeadline) -> Played:
    """Joining, consents, transfers, changes, leaving: every person acts with a token of their own."""
    federal = apis.bearer("federal_staff")
    [region] = await apis.pages("registry", "/v1/organisations", federal, kind="regional")
    region_staff = apis.bearer("regional_staff", organisation_id=region["organisation_id"])
    primaries = [
        organisation
        for kind in ("primary", "primary_with_territorial_rights")
        for organisation in await apis.pages("registry", "/v1/organisations", region_staff, kind=kind)
        if organisation["status"] == "active"
    ]
    members = await apis.pages("registry", "/v1/members", apis.bearer("internal_app"), status="member")
    by_organisation: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for member in members:
        by_organisation[member["organisation_id"]].append(member)
    homes = [p["organisation_id"] for p in primaries if by_organisation[p["organisation_id"]]]
    played = Played(region["organisation_id"])
    chairs = {home: by_organisation[home][0]["member_id"] for home in homes}
    members = [member for member in members if member["member_id"] not in chairs.values()]
    dice.shuffle(members)

    # --- elections: what staff of a primary do below, they do by the term of office that they have today ------
    async def elect(home: str) -> None:
        begins, ends = term(datetime.now(UTC).date())
        election = {
            "member_id": chairs[home],
            "office": "chair",
            "starts_on": begins.isoformat(),
            "ends_on": ends.isoformat(),
            "protocol_number": f"{begins.year}-1",
            "protocol_on": begins.isoformat(),
        }
        await apis.post("registry", f"/v1/organisations/{home}/offices", region_staff, election)
        played.elected += 1

    with stage.bar("elections", len(homes)) as done:
        await in_parallel(homes, elect, done=done)

    def chair(organisation: str) -> dict[str, str]:
        return apis.bearer("primary_staff", organisation_id=organisation, member_id=chairs[organisation])

    # --- consents -----------------------------------------------------------------------------------------
    agreeing = members[: int(len(members) * CARD_SHARE)]
    keen = agreeing[: int(len(members) * BONUS_SHARE)]

    async def consent(item: tuple[dict[str, Any], str]) -> None:
        member, purpose = item
        await apis.post(
            "registry",
            f"/v1/members/{member['member_id']}/consents",
            apis.bearer("member", member_id=member["member_id"]),
            {"purpose": purpose},
        )

    with stage.bar("consents", len(agreeing) + len(keen)) as done:
        await in_parallel([(m, "cards") for m in agreeing] + [(m, "bonus") for m in keen], consent, done=done)
    played.consented = [m["member_id"] for m in agreeing]
    played.bonus = [m["member_id"] for m in keen]

    # --- joining ------------------------------------------------------------------------------------------
    async def join(number: int) -> None:
        home = homes[number % len(homes)]
        joins_on = day(dice, 2, 11)
        category = "student" if number % 4 == 0 else "working"
        person = applicant(dice, number, category, date.fromisoformat(joins_on))
        consents = ["membership", *(["cards"] if number % 3 else []), *(["bonus"] if number % 5 == 0 else [])]
        receipt = await apis.post(
            "registry",
            "/v1/applications",
            # Each from an address of their own, as a proxy would say: one address may send 20 a minute.
            {"X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}"},
            {**person, "organisation_id": home, "consents": consents, "check_off": True, "effective_on": joins_on},
        )
        path = f"/v1/applications/{receipt['application_id']}"
        if number % 8 == 7:
            await apis.post("registry", f"{path}/decline", chair(home), {"reason": "Не работает в организации"})
            played.declined += 1
        else:
            decision = {"protocol_number": f"{number + 1}", "effective_on": joins_on}
            admitted = await apis.post("registry", f"{path}/admit", chair(home), decision)
            played.admitted.append(admitted["member_id"])
        code = {
            "X-Follow-Code": receipt["follow_code"],
            "X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}",
        }
        progress = await apis.get("registry", "/v1/public/application", code)
        assert progress["status"] in ("admitted", "declined")

    with stage.bar("applications", 96) as done:
        await in_parallel(range(96), join, workers=6, done=done)

    # --- moving, changing, leaving: members who have no part in the cards and the bonus --------------------
    others = iter(members[len(agreeing) :])

    async def transfer(number: int) -> None:
        member = next(others)
        source = member["organisation_id"]
        target = dice.choice([home for home in homes if home != source])
        on = day(dice, 3, 10)
        released = await apis.post(
            "registry",
            "/v1/transfers",
            chair(source),
            {"member_id": member["member_id"], "to_organisation_id": target, "effective_on": on},
        )
        path = f"/v1/transfers/{released['transfer_id']}"
        if number == 0:
            await pass_deadline(released["transfer_id"])
            with suppress(Refused):
                await apis.post("registry", f"{path}/accept", chair(target), {"effective_on": on})
                raise AssertionError("A transfer past its deadline was accepted below the region.")
            await apis.post("registry", f"{path}/accept", region_staff, {"effective_on": on})
            played.escalated += 1
            played.transferred += 1
        elif number % 6 == 5:
            await apis.post("registry", f"{path}/refuse", chair(target), {"reason": "Нет ставки"})
            played.transfers_refused += 1
        else:
            await apis.post("registry", f"{path}/accept", chair(target), {"effective_on": on})
            played.transferred += 1

    async def retire(_: int) -> None:
        member = next(others)
        path, auth = f"/v1/members/{member['member_id']}", chair(member["organisation_id"])
        version = (await apis.send("registry", "GET", path, auth)).headers["etag"]
        category = "pensioner" if member["category"] != "pensioner" else "working"
        body = {"category": category, "effective_on": day(dice)}
        await apis.send("registry", "PATCH", path, auth, body, headers={"If-Match": version})
        played.changed += 1

    async def leave(number: int) -> None:
        member = next(others)
        path = f"/v1/members/{member['member_id']}"
        if number % 10 == 9:
            auth = chair(member["organisation_id"])
            reason = {
                "reason": "Нарушение Устава",
                "protocol_number": f"{number}",
                "effective_on": day(dice, 4, 12),
            }
            await apis.post("registry", f"{path}/expel", auth, reason)
            played.expelled += 1
            if number == 9:
                annulled = {**reason, "reason": "Исключение отменено", "protocol_number": "1-к"}
                await apis.post("registry", f"{path}/reinstate", region_staff, annulled)
                played.reinstated += 1
        else:
            auth = apis.bearer("member", member_id=member["member_id"])
            await apis.post("registry", f"{path}/leave", auth, {"effective_on": day(dice, 4, 12)})
            played.left += 1

    with stage.bar("transfers, changes, leaving", 24 + 40 + 60) as done:
        await in_parallel(range(24), transfer, done=done)
        await in_parallel(range(40), retire, done=done)
        # The last to leave have cards: leaving ends them.
        await in_parallel(range(50), leave, done=done)
        holders = [m for m in agreeing if m not in keen][-10:]

        async def leave_with_card(member: dict[str, Any]) -> None:
            auth = apis.bearer("member", member_id=member["member_id"])
            body = {"effective_on": day(dice, 10, 12)}
            await apis.post("registry", f"/v1/members/{member['member_id']}/leave", auth, body)
            played.consented.remove(member["member_id"])
            played.left += 1

        await in_parallel(holders, leave_with_card, done=done)
    return played
