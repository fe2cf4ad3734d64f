"""Every figure opens, and every change of it is explained to the last member."""

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.testing import Client, TestIssuer
from reports.indicators import Derived, catalogue
from tests.extent import tries
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.histories import FIRST_RECORDED, History, random_union
from tests.integration.reports.reference import FAR, Reference
from tests.integration.reports.test_revisions import Small, report_of, run

_few = settings(
    max_examples=tries(4, long=20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


async def changed(client: Client, headers: dict[str, str], node: UUID, name: str, **wanted: Any) -> Any:
    parameters = {key: str(value) for key, value in wanted.items()}
    answer = await client.get(f"/v1/organisations/{node}/changes/{name}", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def adds_up(change: Any) -> bool:
    """The movements of each counted indicator make its whole difference; what is not known counts for nothing."""
    moved = sum(movement["amount"] for movement in change["movements"])
    return bool(moved == (change["after"] or 0) - (change["before"] or 0))


@_few
@given(chance=st.randoms(use_true_random=False))
async def test_movements_add_up_to_the_whole_difference_of_every_indicator(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, chance: random.Random
) -> None:
    history, region = random_union(chance)
    await deliver_all(history.records(), shuffle=random.Random(len(history.told)))
    headers = issuer.bearer("federal_staff")
    halfway = FIRST_RECORDED + timedelta(hours=len(history.told) // 2)
    nodes = [key for key, state in history.states.items() if "kind" in state]
    first, last = date(2020, 1, 1), date(2021, 1, 1)
    before, after = Reference(history.told, first, halfway), Reference(history.told, last, FAR)
    counted = [name for name, found in catalogue().indicators.items() if not isinstance(found, Derived)]
    for node in (region, chance.choice(nodes)):
        figures = before.indicators(node), after.indicators(node)
        for name in chance.sample(counted, 8):
            wanted = {"since": first, "until": last, "known_since": halfway.isoformat()}
            change = await changed(client, headers, node, name, **wanted)
            assert (change["before"], change["after"]) == (figures[0][name], figures[1][name]), name
            assert adds_up(change), (name, change)


async def test_each_movement_has_its_cause_and_its_ids(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    history = History()
    region = history.organisation("regional")
    north, south = history.organisation("territorial", region), history.organisation("territorial", region)
    school = history.organisation("primary", north, institution_type="school")
    moving = history.organisation("primary", south)
    merging = history.organisation("primary", south)
    people = [history.member(school, birth_year=1980) for _ in range(6)]
    history.member(moving)
    history.member(merging)
    history.member(school, birth_year=1985)
    joined = history.member(school, on=date(2020, 3, 1))
    history.end(people[0], date(2020, 4, 1))
    history.end(people[1], date(2020, 4, 1), "expelled")
    history.transfer(people[2], merging, date(2020, 5, 1))
    history.change_member(people[3], date(2020, 6, 1), category="pensioner")
    history.move(moving, north, date(2020, 7, 1))
    history.merge_organisation(merging, school, date(2020, 8, 1))
    history.erase(people[5], date(2020, 10, 1))
    await deliver_all(history.records())
    known = history.told[-1].recorded_at
    history.merge_member(people[4], joined, date(2021, 2, 1))
    await deliver_all([history.told[-1].record()])
    headers = issuer.bearer("territorial_staff", organisation_id=north)
    days = {"since": date(2020, 1, 1), "until": date(2021, 1, 1)}

    async def causes(name: str, **more: Any) -> dict[tuple[str, str], int]:
        change = await changed(client, headers, north, name, **{**days, **more})
        assert adds_up(change)
        return {(m["step"], m["cause"]): m["amount"] for m in change["movements"]}

    assert await causes("members", known_since=known.isoformat()) == {
        ("learnt", "learnt_later"): -1,
        ("happened", "joined"): 1,
        ("happened", "left"): -1,
        ("happened", "expelled"): -1,
        ("happened", "erased"): -1,
        ("happened", "organisation_moved_in"): 1,
        # The transferred one came back with the merged school's other member.
        ("happened", "organisation_merged"): 1,
    }
    assert (await causes("members_pensioner"))["happened", "category_changed"] == 1
    assert (await causes("youth"))["happened", "aged_out"] == -1
    assert await causes("primaries") == {("happened", "organisation_moved_in"): 1}
    address = f"/v1/organisations/{north}/changes/members/behind"
    wanted = {"since": "2020-01-01", "until": "2021-01-01", "step": "happened", "cause": "expelled"}
    items = (await client.get(address, params=wanted, headers=headers)).json()["items"]
    assert items == [{"entity_id": str(people[1]), "delta": -1}]
    derived = await changed(client, headers, north, "coverage_working", **days)
    assert {part["indicator"] for part in derived["of"]} == {"members_working", "employed"}
    wrong = await client.get(
        f"/v1/organisations/{north}/changes/members",
        params={"since": "2021-01-01", "until": "2020-01-01"},
        headers=headers,
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "moments_not_in_order")


@settings(_few, max_examples=tries(2, long=8))
@given(chance=st.randoms(use_true_random=False))
async def test_what_is_behind_a_figure_is_as_many_as_it_says(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, chance: random.Random
) -> None:
    history, region = random_union(chance)
    await deliver_all(history.records())
    headers = issuer.bearer("regional_staff", organisation_id=region)
    reference = Reference(history.told, date(2021, 1, 1)).indicators(region)
    for name, indicator in catalogue().indicators.items():
        wanted: dict[str, Any] = {"as_of": "2021-01-01"}
        address = f"/v1/organisations/{region}/figures/{name}"
        opened = (await client.get(address, params=wanted, headers=headers)).json()
        assert opened["value"] == reference[name], name
        behind = await client.get(f"{address}/behind", params={**wanted, "limit": 500}, headers=headers)
        if isinstance(indicator, Derived):
            assert opened["formula"] == indicator.formula
            assert (behind.status_code, behind.json()["code"]) == (422, "no_ids_behind")
        else:
            parts = [part["value"] or 0 for part in opened["below"]]
            assert sum(parts) + (opened["itself"] or 0) == (opened["value"] or 0), name
            assert sum(item["amount"] for item in behind.json()["items"]) == (opened["value"] or 0), name


async def test_a_row_of_a_report_leads_to_its_members_and_their_events(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("regional_staff", organisation_id=small.region)
    await run(client, headers)
    report = await report_of(client, headers, level="regional")
    code = next(row["code"] for row in report["rows"] if row["formula"] == "members")
    row = (await client.get(f"/v1/reports/{report['report_id']}/rows/{code}", headers=headers)).json()
    [members] = row["indicators"]
    assert (row["filed"], row["formula"], members["counts"]) == (
        2,
        "members",
        {"count": "members", "where": {"status": ["member"]}},
    )
    assert [(part["organisation_id"], part["value"], part["share"]) for part in members["below"]] == [
        (str(small.territorial), 2, 100.0)
    ]
    address = f"/v1/organisations/{small.school}/figures/members/behind"
    page = (await client.get(address, params={"as_of": "2021-01-01", "limit": 1}, headers=headers)).json()
    rest = await client.get(
        address, params={"as_of": "2021-01-01", "cursor": page["next_cursor"]}, headers=headers
    )
    found = [*page["items"], *rest.json()["items"]]
    assert [item["entity_id"] for item in found] == sorted(map(str, (small.anna, small.boris)))
    assert {item["event_type"] for item in found} == {"registry.member_admitted.v1"}
    assert {item["effective_on"] for item in found} == {"2018-09-01"}
    assert (await client.get(f"/v1/reports/{report['report_id']}/rows/99", headers=headers)).status_code == 404
    unknown = f"/v1/organisations/{small.school}/figures/no_such"
    assert (await client.get(unknown, params={"as_of": "2021-01-01"}, headers=headers)).status_code == 404
