"""The XLSX holds the figures of the report and is ready to be printed."""

import io
from datetime import date
from typing import Any

import openpyxl

from common.testing import Client, TestIssuer
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.test_revisions import Small, report_of, run


async def workbook(client: Client, headers: dict[str, str], report: Any, **parameters: Any) -> Any:
    address = f"/v1/reports/{report['report_id']}/xlsx"
    answer = await client.get(address, params=parameters, headers=headers)
    assert answer.status_code == 200
    assert report["report_id"] in answer.headers["content-disposition"]
    return openpyxl.load_workbook(io.BytesIO(answer.content))


def shown(row: Any) -> Any:
    """A dash where the base does not know; an empty cell for people to fill in."""
    return "—" if row["value"] is None and not row["declared"] else row["value"]


async def test_the_primary_report_is_an_office_form(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    small.history.change_organisation(small.school, date(2016, 1, 1), name='=HYPERLINK("x")')
    await deliver_all(small.history.records())
    headers = issuer.bearer("primary_staff", organisation_id=small.school)
    await run(client, issuer.bearer("federal_staff"))
    report = await report_of(client, headers)
    book = await workbook(client, headers, report)
    assert book.sheetnames == ["Отчёт"]
    sheet = book["Отчёт"]
    assert sheet["A1"].value == "Статистический отчёт первичной профсоюзной организации"
    assert sheet["A2"].value == "по состоянию на 01.01.2021"
    # A name that looks like a formula stays a name.
    assert (sheet["A3"].value, sheet["A3"].data_type) == ('=HYPERLINK("x")', "s")
    assert "Срок представления: 05.01.2021" in sheet["A5"].value
    table = {row[1]: (row[0], row[2], row[4]) for row in sheet.iter_rows(min_row=9, max_col=5, values_only=True)}
    for number, row in enumerate(report["rows"], 1):
        assert table[row["code"]] == (number, row["label"]["ru"], shown(row))
    assert (table["01"][2], table["10"][2], table["22"][2]) == (2, 50, None)
    assert sheet.print_area == f"'Отчёт'!$A$1:$E${sheet.max_row}"
    assert sheet.print_title_rows == "$7:$8"
    cells = {cell.value for row in sheet.iter_rows() for cell in row}
    assert "Председатель организации Профсоюза" in cells


async def test_the_regional_summary_lists_what_is_directly_below_with_a_total(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    university = small.history.organisation("primary_with_territorial_rights", small.region)
    small.history.member(university)
    await deliver_all(small.history.records())
    headers = issuer.bearer("regional_staff", organisation_id=small.region)
    await run(client, headers)
    report = await report_of(client, headers, level="regional")
    book = await workbook(client, headers, report)
    sheet = book["Свод"]
    lines = [row for row in sheet.iter_rows(min_row=9, values_only=True) if isinstance(row[0], int) and row[2]]
    members = 3 + next(n for n, row in enumerate(report["rows"]) if row["formula"] == "members")
    assert {line[1]: line[members] for line in lines} == {"P005": 1, "T001": 2}
    total = next(row for row in sheet.iter_rows(values_only=True) if row[0] == "Всего по организации")
    assert list(total[3:]) == [shown(row) for row in report["rows"]]
    assert total[members] == sum(line[members] for line in lines)


async def test_an_earlier_revision_can_be_printed_again(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")
    await run(client, headers)
    small.history.member(small.school)
    await deliver_all(small.history.records())
    await run(client, headers)
    report = await report_of(client, headers, level="primary")
    first = await workbook(client, headers, report, revision=1)
    newest = await workbook(client, headers, report)
    assert (first["Отчёт"]["E9"].value, newest["Отчёт"]["E9"].value) == (2, 3)
