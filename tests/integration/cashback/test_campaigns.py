"""What campaigns promise: minimum, caps, budgets, versions of the terms."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("sound")

Refusal = Callable[..., tuple[int, str]]


async def test_a_basket_below_the_minimum_earns_nothing_and_a_line_is_judged_by_its_basket(
    world: Any, refusal: Refusal
) -> None:
    await world.partner()
    campaign = await world.campaign(min_basket=50_000)
    click = (await world.click(await world.participant(), campaign)).json()["click_id"]
    assert refusal(await world.report(click, 49_999)) == (409, "basket_too_small")
    assert (await world.report(click, 50_000)).status_code == 201
    assert (await world.report(click, 10_000, basket=50_000)).json()["cashback"] == 500


async def test_the_lines_of_an_order_share_its_cap_and_a_return_gives_it_back(world: Any) -> None:
    await world.partner()
    campaign = await world.campaign(cap_per_order=7_000)
    member = await world.participant()
    click = (await world.click(member, campaign)).json()["click_id"]

    async def line(number: int) -> dict[str, Any]:
        return (await world.report(click, 100_000, order="A-1", line=number)).json()  # type: ignore[no-any-return]

    first = await line(1)
    assert [first["cashback"], (await line(2))["cashback"], (await line(3))["cashback"]] == [5000, 2000, 0]
    await world.resolve("decline", first["purchase_id"])
    assert (await line(4))["cashback"] == 5000
    assert (await world.report(click, 100_000, order="A-2")).json()["cashback"] == 5000


async def test_a_line_that_earns_nothing_can_still_be_confirmed_and_refunded(world: Any) -> None:
    await world.partner()
    member = await world.participant()
    purchase = await world.earned(member, await world.campaign(), amount=19)
    answer = await world.resolve("refund", purchase, reference="R1", amount=19)
    assert (answer.json()["status"], answer.json()["cashback"]) == ("refunded", 0)
    assert await world.trial() == {}


async def test_a_fixed_reward_is_for_the_order_not_for_each_line(world: Any) -> None:
    await world.partner()
    campaign = await world.campaign(fixed=3_000)
    click = (await world.click(await world.participant(), campaign)).json()["click_id"]
    lines = [(await world.report(click, 10_000, order="A-1", line=n)).json()["cashback"] for n in (1, 2)]
    assert lines == [3_000, 0]


async def test_the_rounding_is_the_one_the_campaign_states(world: Any) -> None:
    await world.partner()
    member = await world.participant()
    for rounding, expected in (("floor", [0, 1]), ("half_even", [0, 2])):
        campaign = await world.campaign(basis_points=500, rounding=rounding)
        click = (await world.click(member, campaign)).json()["click_id"]
        got = [(await world.report(click, amount)).json()["cashback"] for amount in (10, 30)]
        assert got == expected, rounding


async def test_the_budget_is_reserved_with_the_purchase_and_given_back_with_a_return(
    world: Any, refusal: Refusal
) -> None:
    await world.partner()
    campaign = await world.campaign(budget=8_000)
    member = await world.participant()
    purchase = await world.bought(member, campaign)
    click = (await world.click(member, campaign)).json()["click_id"]
    assert refusal(await world.report(click, 100_000)) == (409, "campaign_budget_spent")
    assert await world.balance(member) == {"pending": 5000, "available": 0, "in_payout": 0, "owed": 0}
    await world.resolve("confirm", purchase, amount=60_000)
    assert (await world.report(click, 100_000)).json()["cashback"] == 5000
    await world.resolve("refund", purchase, reference="R1", amount=60_000)
    assert (await world.trial())["campaign_budget"] == 3000
    seen = await world.client.get(f"/v1/campaigns/{campaign}", headers=world.federal())
    assert (seen.json()["budget"], seen.json()["budget_left"]) == (8000, 3000)


async def test_a_purchase_earns_by_the_terms_that_the_member_clicked_on(world: Any) -> None:
    await world.partner()
    campaign, member = await world.campaign(), await world.participant()
    before = (await world.click(member, campaign)).json()["click_id"]
    changed = await world.client.patch(
        f"/v1/campaigns/{campaign}", json={"basis_points": 100}, headers={**world.federal(), "If-Match": '"1"'}
    )
    assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 2, '"2"')
    after = (await world.click(member, campaign)).json()["click_id"]
    answers = [(await world.report(click)).json() for click in (before, after)]
    assert [(a["campaign_version"], a["cashback"]) for a in answers] == [(1, 5000), (2, 1000)]


async def test_a_change_is_refused_without_having_read_the_campaign(world: Any, refusal: Refusal) -> None:
    await world.partner()
    campaign = await world.campaign(budget=8_000)
    await world.bought(await world.participant(), campaign)

    async def change(if_match: str | None, **body: Any) -> Any:
        headers = {**world.federal(), **({"If-Match": if_match} if if_match else {})}
        return await world.client.patch(f"/v1/campaigns/{campaign}", json=body, headers=headers)

    assert refusal(await change(None, title="Иначе")) == (428, "if_match_required")
    assert refusal(await change('"7"', title="Иначе")) == (412, "version_conflict")
    assert refusal(await change('"1"', budget=4_999)) == (409, "budget_below_reserved")
    assert refusal(await change('"1"', budget=None)) == (422, "campaign_terms_invalid")
    assert refusal(await change('"1"', fixed=100)) == (422, "campaign_terms_invalid")
    assert refusal(await change('"1"', to_on="2020-01-01")) == (422, "campaign_terms_invalid")
    assert refusal(await change('"1"', title=None)) == (422, "request_invalid")
    lowered = await change('"1"', budget=5_000)
    assert lowered.json()["budget_left"] == 0
    assert (await change('"2"', basis_points=None, fixed=100)).json()["fixed"] == 100


async def test_a_closed_campaign_takes_no_clicks_but_keeps_its_promises(world: Any, refusal: Refusal) -> None:
    await world.partner()
    campaign, member = await world.campaign(), await world.participant()
    click = (await world.click(member, campaign)).json()["click_id"]
    await world.client.patch(
        f"/v1/campaigns/{campaign}", json={"status": "closed"}, headers={**world.federal(), "If-Match": '"1"'}
    )
    assert refusal(await world.click(member, campaign)) == (409, "campaign_not_open")
    assert (await world.report(click)).json()["cashback"] == 5000


async def test_members_see_the_campaigns_of_a_day_and_not_the_partners_money(world: Any) -> None:
    await world.partner()
    member = await world.participant()
    spring = await world.campaign(budget=8_000, to_on="2021-05-31")
    await world.campaign(from_on="2021-06-01")
    answer = await world.client.get("/v1/campaigns?on=2021-05-31&limit=10", headers=world.as_member(member))
    [item] = answer.json()["items"]
    assert (item["campaign_id"], item["budget"], item["budget_left"]) == (str(spring), None, None)
    await world.partner("films")
    foreign = await world.client.get("/v1/campaigns", headers=world.as_partner("films"))
    assert foreign.json()["items"] == []


async def test_a_partners_code_is_taken_once_and_a_campaign_needs_its_partner(
    world: Any, refusal: Refusal
) -> None:
    await world.partner()
    body = {"partner": "books", "name": "Другой", "hold_days": 1, "landing_url": "https://other.example/"}
    answer = await world.client.post("/v1/partners", json=body, headers=world.federal())
    assert refusal(answer) == (409, "partner_exists")
    insecure = {**body, "partner": "other", "landing_url": "http://other.example/"}
    answer = await world.client.post("/v1/partners", json=insecure, headers=world.federal())
    assert refusal(answer) == (422, "request_invalid")
    terms = {"partner": "nobody", "title": "x", "fixed": 1, "from_on": "2021-01-01", "to_on": "2021-01-02"}
    answer = await world.client.post("/v1/campaigns", json=terms, headers=world.federal())
    assert refusal(answer) == (404, "not_found")
    both = {**terms, "partner": "books", "basis_points": 1}
    answer = await world.client.post("/v1/campaigns", json=both, headers=world.federal())
    assert refusal(answer) == (422, "campaign_terms_invalid")


async def test_larger_baskets_earn_by_their_tier(world: Any) -> None:
    await world.partner()
    tiers = [{"from_basket": 50_000, "basis_points": 700}, {"from_basket": 200_000, "fixed": 20_000}]
    campaign = await world.campaign(tiers=tiers)
    click = (await world.click(await world.participant(), campaign)).json()["click_id"]
    got = [(await world.report(click, amount)).json()["cashback"] for amount in (49_999, 50_000, 200_000)]
    assert got == [2499, 3500, 20_000]
    line = await world.report(click, 10_000, basket=50_000)
    assert line.json()["cashback"] == 700
    shown = (await world.client.get(f"/v1/campaigns/{campaign}", headers=world.federal())).json()
    assert [tier["from_basket"] for tier in shown["tiers"]] == [50_000, 200_000]


async def test_a_members_cap_is_for_the_period_and_a_return_gives_it_back(world: Any) -> None:
    await world.partner()
    campaign = await world.campaign(cap_per_member=7_000, cap_period="month")
    first, second = await world.participant(), await world.participant()
    clicks = [(await world.click(member, campaign)).json()["click_id"] for member in (first, second)]

    async def earns(click: str, at: str = "2021-03-05T10:00:00+03:00") -> tuple[str, int]:
        body = (await world.report(click, 100_000, at=at)).json()
        return body["purchase_id"], body["cashback"]

    purchase, earned = await earns(clicks[0])
    assert (earned, (await earns(clicks[0]))[1], (await earns(clicks[0]))[1]) == (5000, 2000, 0)
    assert (await earns(clicks[1]))[1] == 5000
    page = (await world.client.get("/v1/purchases", headers=world.as_member(first))).json()
    assert "уменьшен до остатка лимита 70,00 ₽ на участника в месяц" in page["items"][1]["explanation"]
    assert "reduced to what was left of the limit of RUB 70.00" in page["items"][1]["explanation_en"]
    await world.resolve("decline", purchase)
    assert (await earns(clicks[0]))[1] == 5000
    fresh = (await world.click(first, campaign, at="2021-03-25T10:00:00+03:00")).json()["click_id"]
    assert (await earns(fresh, "2021-04-01T10:00:00+03:00"))[1] == 5000


async def test_a_partners_cap_is_over_all_members_and_those_campaigns_that_state_it(world: Any) -> None:
    await world.partner()
    capped = [await world.campaign(cap_per_partner=8_000, cap_period="week") for _ in range(2)]
    free = await world.campaign()
    members = [await world.participant() for _ in range(2)]

    async def earns(member: Any, campaign: Any) -> int:
        click = (await world.click(member, campaign)).json()["click_id"]
        return (await world.report(click, 100_000)).json()["cashback"]  # type: ignore[no-any-return]

    assert [await earns(members[0], capped[0]), await earns(members[1], capped[1])] == [5000, 3000]
    assert [await earns(members[1], capped[0]), await earns(members[1], free)] == [0, 5000]


async def test_a_campaign_of_some_days_of_the_week_takes_no_other(world: Any, refusal: Refusal) -> None:
    await world.partner()
    campaign, member = await world.campaign(weekdays=[1, 2]), await world.participant()
    click = (await world.click(member, campaign)).json()["click_id"]  # 1 March 2021 is a Monday
    assert (await world.report(click, at="2021-03-02T10:00:00+06:00")).status_code == 201
    assert refusal(await world.report(click, at="2021-03-03T10:00:00+06:00")) == (409, "campaign_not_open")
    assert refusal(await world.click(member, campaign, at="2021-03-03T10:00:00+06:00")) == (
        409,
        "campaign_not_open",
    )


async def test_a_dry_run_tells_what_terms_would_have_given_and_changes_nothing(
    world: Any, refusal: Refusal
) -> None:
    await world.partner()
    campaign, member = await world.campaign(), await world.participant()
    click = (await world.click(member, campaign)).json()["click_id"]
    for amount in (10_000, 100_000, 200_000):
        assert (await world.report(click, amount)).status_code == 201
    gone = await world.report(click, 500_000)
    await world.resolve("decline", gone.json()["purchase_id"])
    before = await world.trial()
    terms = {
        "partner": "books",
        "title": "x",
        "basis_points": 1000,
        "min_basket": 50_000,
        "cap_per_member": 25_000,
        "from_on": "2021-01-01",
        "to_on": "2021-12-31",
        "purchased_from": "2021-03-01",
        "purchased_to": "2021-03-31",
    }

    async def tried(**changes: Any) -> Any:
        body = {**terms, **changes}
        return await world.client.post("/v1/campaign-trials", json=body, headers=world.federal())

    assert (await tried()).json() == {
        "purchases": 3,
        "bought": 310_000,
        "earned": 15_500,
        "would_earn": 25_000,
        "below_minimum": 1,
        "outside_window": 0,
        "capped": 1,
        "beyond_budget": 0,
        "complete": True,
    }
    assert (await tried(budget=10_000)).json()["beyond_budget"] == 1
    assert (await tried(to_on="2021-02-01")).json()["outside_window"] == 3
    assert (await tried(purchased_to="2021-03-01")).json()["purchases"] == 0
    assert refusal(await tried(fixed=1)) == (422, "campaign_terms_invalid")
    assert await world.trial() == before
