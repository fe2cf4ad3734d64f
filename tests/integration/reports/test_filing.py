"""From hand to hand: draft, signed, accepted above, locked; returned and reopened with a reason."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from common.db import Database
from common.events.reports import (
    REPORT_EVENTS,
    ReportAccepted,
    ReportFormed,
    ReportLocked,
    ReportReopened,
    ReportReturned,
    ReportSigned,
)
from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.offices import AS_OF, Office, refused, row, settled
from tests.integration.reports.test_revisions import Small, run


@pytest.fixture
async def office(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> Office:
    return await settled(client, issuer, deliver_all)


async def test_a_report_goes_up_level_by_level_and_is_locked(office: Office, published: Any) -> None:
    small = office.small
    levels = (
        (small.school, office.school, office.territorial),
        (small.territorial, office.territorial, office.region),
        (small.region, office.region, office.federal),
    )
    # Nobody signs over the heads of those below.
    early = await office.step("sign", small.territorial, office.territorial)
    assert refused(early) == (409, "below_not_accepted")
    for organisation, chair, above in levels:
        signed = await office.step("sign", organisation, chair)
        assert (signed.status_code, signed.json()["status"]) == (200, "signed"), signed.text
        assert (await office.step("accept", organisation, above)).json()["status"] == "accepted"
    for organisation, _, above in levels:
        assert (await office.step("lock", organisation, above)).json()["status"] == "locked"
    report = await office.report(small.school)
    assert [(s["step"], s["taken_by"]) for s in report["steps"]] == [
        ("signed", "chair"),
        ("accepted", "territorial"),
        ("locked", "territorial"),
    ]
    events = [e for e in await published(*REPORT_EVENTS) if str(e.report_id) == report["report_id"]]
    assert [type(e) for e in events] == [ReportFormed, ReportSigned, ReportAccepted, ReportLocked]
    assert [(e.version, e.status, e.revision) for e in events] == [
        (1, "formed", 1),
        (2, "signed", 1),
        (3, "accepted", 1),
        (4, "locked", 1),
    ]


async def test_only_the_organisation_itself_signs_and_only_those_above_judge(office: Office) -> None:
    small = office.small
    for headers in (office.territorial, office.region, office.federal):
        assert refused(await office.step("sign", small.school, headers)) == (403, "not_the_chair")
    assert refused(await office.step("accept", small.school, office.territorial)) == (409, "report_step_refused")
    assert (await office.step("sign", small.school, office.school)).status_code == 200
    assert refused(await office.step("accept", small.territorial, office.territorial)) == (403, "not_above")
    assert (await office.step("accept", small.school, office.school)).status_code == 403
    assert (await office.step("accept", small.territorial, office.school)).status_code == 403


async def test_nobody_judges_what_they_have_signed(
    office: Office, issuer: TestIssuer, client: Client, deliver_all: DeliverAll
) -> None:
    small = office.small
    await office.step(
        "sign", small.school, issuer.bearer("primary_staff", organisation_id=small.school, sub="both")
    )
    both = issuer.bearer("territorial_staff", organisation_id=small.territorial, sub="both")
    assert refused(await office.step("accept", small.school, both)) == (403, "second_person_needed")
    wanted = {"decision": "accept", "organisation_id": str(small.territorial), "as_of": AS_OF}
    assert (await client.post("/v1/report-decisions", json=wanted, headers=both)).json() == {"decided": 0}


async def test_a_returned_report_is_a_draft_again_and_says_why(
    office: Office, deliver_all: DeliverAll, client: Client, published: Any
) -> None:
    small = office.small
    await office.step("sign", small.school, office.school)
    answer = await office.step("return", small.school, office.territorial, reason="Не учтён Борис")
    assert answer.json()["status"] == "returned"
    blockers = await client.get(
        f"/v1/organisations/{small.region}/blockers",
        params={"as_of": AS_OF, "level": "primary"},
        headers=office.region,
    )
    [blocker] = blockers.json()["items"]
    assert (blocker["reason"], blocker["waits_for"], blocker["overdue"]) == ("Не учтён Борис", "signature", True)
    # A draft follows the base again.
    small.history.end(small.boris, date(2020, 12, 1))
    await deliver_all(small.history.records())
    assert (await run(client, office.federal, form="primary_yearly"))["formed"] == 1
    report = await office.report(small.school)
    assert (report["status"], report["revision"], row(report, "members")["value"]) == ("returned", 2, 1)
    assert (await office.step("sign", small.school, office.school)).status_code == 200
    assert [e.reason if hasattr(e, "reason") else e.status for e in await published(ReportReturned)] == [
        "returned"
    ]


async def test_what_is_filed_stands_and_later_corrections_show_as_a_difference(
    office: Office, deliver_all: DeliverAll, client: Client
) -> None:
    small = office.small
    await office.step("sign", small.school, office.school)
    before = await office.report(small.school)
    small.history.end(small.boris, date(2020, 12, 1))
    await deliver_all(small.history.records())
    made = {item["form"]: item["formed"] for item in (await run(client, office.federal))["forms"]}
    # The summaries are drafts yet, and follow.
    assert made == {"primary_yearly": 0, "territorial_summary": 1, "regional_summary": 1}
    assert await office.report(small.school) == before
    address = f"/v1/reports/{before['report_id']}/differences"
    differences = (await client.get(address, headers=office.school)).json()["differences"]
    shown = {d["label"]["en"]: (d["filed"], d["now"]) for d in differences}
    assert shown["Members, all"] == (2, 1)
    assert shown["Left in the year"] == (0, 1)
    assert shown["Coverage among the employed, %"] == (50.0, 25.0)
    territorial = await office.report(small.territorial)
    assert (await client.get(f"/v1/reports/{territorial['report_id']}/differences", headers=office.region)).json()[
        "differences"
    ] == []


async def test_a_locked_report_can_only_be_reopened_from_above_and_becomes_the_next_edition(
    office: Office, client: Client, published: Any
) -> None:
    small = office.small
    await office.step("sign", small.school, office.school)
    await office.step("accept", small.school, office.territorial)
    await office.step("lock", small.school, office.territorial)
    for name in ("sign", "accept", "lock"):
        headers = office.school if name == "sign" else office.territorial
        assert refused(await office.step(name, small.school, headers)) == (409, "report_step_refused")
    assert refused(await office.declare(small.school, office.school, students=3)) == (409, "report_step_refused")
    # The summary rests on it: while that is filed, it stays closed.
    await office.step("sign", small.territorial, office.territorial)
    again: dict[str, Any] = {"reason": "Ошибка в записях"}
    assert refused(await office.step("reopen", small.school, office.region, **again)) == (409, "above_filed")
    await office.step("return", small.territorial, office.region, reason="Сначала первичка")
    assert refused(await office.step("reopen", small.school, office.school, **again))[0] == 403
    opened = await office.step("reopen", small.school, office.region, **again)
    assert (opened.json()["status"], opened.json()["edition"]) == ("reopened", 2)
    report = await office.report(small.school)
    assert (report["reason"], report["signed_at"], report["edition"]) == ("Ошибка в записях", None, 2)
    assert [e.edition for e in await published(ReportReopened)] == [2]
    assert (await office.step("sign", small.school, office.school)).status_code == 200


async def test_the_database_itself_refuses_to_change_what_is_filed(office: Office, database: Database) -> None:
    small = office.small
    await office.step("sign", small.school, office.school)
    filed = f"where organisation_id = '{small.school}'"
    await _refuses(database, f"update report set revision = 7 {filed}")
    await office.step("accept", small.school, office.territorial)
    await office.step("lock", small.school, office.territorial)
    for change in ("status = 'formed'", "status = 'signed'", "as_of = '2022-01-01'", "status = 'reopened'"):
        await _refuses(database, f"update report set {change} {filed}")
    await _refuses(database, f"delete from report {filed}")
    for table in ("report_step", "declaration", "report_revision"):
        await _refuses(database, f"delete from {table}")
    assert (await office.report(small.school))["status"] == "locked"


async def _refuses(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError):
        async with database.engine.begin() as connection:
            await connection.execute(sa.text(statement))


async def test_a_step_needs_the_version_that_was_read(office: Office, client: Client) -> None:
    small = office.small
    report = await office.report(small.school)
    bare = await client.post(f"/v1/reports/{report['report_id']}/sign", headers=office.school)
    assert refused(bare) == (428, "if_match_required")
    assert refused(await office.step("sign", small.school, office.school, version=9)) == (412, "version_conflict")


async def test_of_many_who_sign_at_once_one_does(office: Office) -> None:
    small = office.small
    answers = await asyncio.gather(
        *(office.step("sign", small.school, office.school, version=1) for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    assert len((await office.report(small.school))["steps"]) == 1


async def test_signing_above_and_reopening_below_never_both_succeed(office: Office) -> None:
    small = office.small
    for _ in range(4):
        if (await office.report(small.school))["status"] in ("formed", "reopened"):
            await office.step("sign", small.school, office.school)
            await office.step("accept", small.school, office.territorial)
        if (await office.report(small.territorial))["status"] == "signed":
            await office.step("return", small.territorial, office.region, reason="ещё раз")
        signed, reopened = await asyncio.gather(
            office.step("sign", small.territorial, office.territorial),
            office.step("reopen", small.school, office.region, reason="проверка"),
        )
        codes = sorted((signed.status_code, reopened.status_code))
        assert codes in ([200, 409], [200, 503], [503, 503]), (signed.text, reopened.text)


async def test_everything_below_is_accepted_and_locked_at_once(
    office: Office, client: Client, deliver_all: DeliverAll, issuer: TestIssuer, published: Any
) -> None:
    small = office.small
    schools = [small.history.organisation("primary", small.territorial) for _ in range(4)]
    await deliver_all(small.history.records())
    await run(client, office.federal)
    for school in schools[:3]:
        chair = issuer.bearer("primary_staff", organisation_id=school, sub=f"chair of {school}")
        assert (await office.step("sign", school, chair)).status_code == 200
    wanted = {"decision": "accept", "organisation_id": str(small.territorial), "as_of": AS_OF}
    answer = await client.post("/v1/report-decisions", json=wanted, headers=office.territorial)
    assert (answer.status_code, answer.json()) == (201, {"decided": 3})
    wanted = {"decision": "lock", "organisation_id": str(small.region), "as_of": AS_OF, "form": "primary_yearly"}
    assert (await client.post("/v1/report-decisions", json=wanted, headers=office.region)).json() == {"decided": 3}
    events = await published(ReportAccepted, ReportLocked)
    assert {(type(e), e.organisation_id, e.version) for e in events} == {
        (kind, school, version)
        for school in schools[:3]
        for kind, version in ((ReportAccepted, 3), (ReportLocked, 4))
    }
    report = await office.report(schools[0])
    assert [(s["step"], s["taken_by"]) for s in report["steps"]][1:] == [
        ("accepted", "territorial"),
        ("locked", "region"),
    ]
    foreign = issuer.bearer("territorial_staff", organisation_id=small.school, sub="foreign")
    assert (await client.post("/v1/report-decisions", json=wanted, headers=foreign)).status_code == 404


async def test_reports_form_by_themselves_from_their_day_on(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, pass_time: Any
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    office = Office(client, issuer, small)
    await pass_time(datetime(2020, 12, 31, 23, 0, tzinfo=UTC))
    none = (await client.get("/v1/reports", params={"as_of": AS_OF}, headers=office.federal)).json()
    assert none["items"] == []
    await pass_time(datetime(2021, 1, 1, 0, 30, tzinfo=UTC))
    assert (await office.report(small.school))["revision"] == 1
    assert (await office.report(small.region))["status"] == "formed"
    await office.step("sign", small.school, office.school)
    small.history.end(small.boris, date(2020, 12, 1))
    await deliver_all(small.history.records())
    # Once a day the drafts follow; what is signed stands.
    await pass_time(datetime(2021, 1, 1, 1, 30, tzinfo=UTC))
    assert (await office.report(small.region))["revision"] == 1
    await pass_time(datetime(2021, 1, 2, 0, 30, tzinfo=UTC))
    assert (await office.report(small.region))["revision"] == 2
    assert (await office.report(small.school))["revision"] == 1
    # And no longer when the campaign is over.
    small.history.member(small.school)
    await deliver_all(small.history.records())
    await pass_time(datetime(2021, 9, 1, tzinfo=UTC))
    assert (await office.report(small.region))["revision"] == 2
