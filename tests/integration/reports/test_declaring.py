"""What the registry cannot know: declared by the organisation, summed up, checked."""

from datetime import date
from typing import Any

import pytest

from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.offices import AS_OF, Office, refused, row, settled
from tests.integration.reports.test_revisions import run


@pytest.fixture
async def office(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> Office:
    return await settled(client, issuer, deliver_all)


async def test_what_the_base_cannot_know_is_declared_and_sums_up(
    office: Office, client: Client, deliver_all: DeliverAll
) -> None:
    small = office.small
    report = await office.report(small.school)
    students = row(report, "students")
    assert (students["value"], students["declared"]) == (None, True)
    assert students["told"] == {"counted": None, "declared": None, "unknown": 1, "differs": 0}
    answer = await office.declare(small.school, office.school, students=120, chairs_released=1)
    assert (answer.status_code, answer.json()["revision"]) == (200, 2), answer.text
    report = await office.report(small.school)
    assert (row(report, "students")["value"], row(report, "chairs_released")["value"]) == (120, 1)
    [told] = [d for d in report["declarations"] if d["indicator"] == "students"]
    assert (told["figure"], told["declared_by"]) == (120, "chair")
    # The register learns the figure: it is the base's from then on, and the difference stays in sight.
    small.history.change_organisation(small.school, date(2020, 1, 1), students=110)
    await deliver_all(small.history.records())
    await run(client, office.federal)
    for organisation in (small.school, small.territorial, small.region):
        students = row(await office.report(organisation), "students")
        assert students["value"] == 110
        assert students["told"] == {"counted": 110, "declared": 120, "unknown": 0, "differs": 1}
    # Taken back.
    await office.declare(small.school, office.school, students=None)
    students = row(await office.report(small.school), "students")
    assert students["told"] == {"counted": 110, "declared": None, "unknown": 0, "differs": 0}
    wanted = {"organisation_id": str(small.region), "as_of": AS_OF}
    statistics = (await client.get("/v1/statistics", params=wanted, headers=office.region)).json()
    assert statistics["told"]["chairs_released"] == {"counted": None, "declared": 1, "unknown": 0, "differs": 0}


async def test_summaries_and_other_rows_are_not_asked_for(office: Office) -> None:
    small = office.small
    answer = await office.declare(small.territorial, office.territorial, students=1)
    assert refused(answer) == (422, "not_asked")
    assert refused(await office.declare(small.school, office.school, members=1)) == (422, "not_asked")


async def test_a_figure_that_contradicts_another_blocks_the_signature_only_where_the_form_says_so(
    office: Office, client: Client, app: Any
) -> None:
    small = office.small
    await office.declare(small.school, office.school, students=0)
    report = await office.report(small.school)
    assert all(check["holds"] for check in report["checks"])
    form = app.state.forms.newest["primary_yearly"]
    check = form.checks[1].model_copy(update={"left": "members", "right": "women"})
    app.state.forms._forms["primary_yearly", 1] = form.model_copy(update={"checks": [check]})
    # Formed anew by the form with the contradiction.
    await office.declare(small.school, office.school, students=1)
    report = await office.report(small.school)
    assert [(c["code"], c["holds"]) for c in report["checks"]] == [("women", False)]
    answer = await office.step("sign", small.school, office.school)
    assert refused(answer) == (409, "checks_fail")
    assert answer.json()["checks"] == ["No more women than members"]
