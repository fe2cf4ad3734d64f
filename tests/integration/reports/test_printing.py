"""Reports to be printed, by Accept; a whole set in one archive; charts without any script."""

import asyncio
import contextlib
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest

from common.app import Service
from common.db import Database
from common.jobs import Workshop
from common.settings import Settings
from common.testing import Client, TestIssuer, eventually
from reports import archives, tallies
from reports.schemas import ReportView
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.offices import AS_OF, Office
from tests.integration.reports.test_revisions import Small, report_of, run

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NAMES = ("pyramid", "completeness", "coverage", "heat")


@pytest.fixture
async def office(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> Office:
    small = Small()
    small.history.change_organisation(small.school, date(2016, 1, 1), name='=HYPERLINK("x")')
    small.history.change_organisation(small.territorial, date(2016, 1, 1), name="<script>alert(1)</script> & Ко")
    await deliver_all(small.history.records())
    office = Office(client, issuer, small)
    await run(client, office.federal)
    return office


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/pdf", "application/pdf"),
        ("text/html, application/pdf;q=0.9, */*;q=0.1", "application/pdf"),
        ("text/*", "text/csv; charset=utf-8"),
        (XLSX, XLSX),
        ("application/pdf;q=0, text/csv", "text/csv; charset=utf-8"),
    ],
)
async def test_accept_chooses_the_form_of_a_report(office: Office, accept: str, media_type: str) -> None:
    report = await office.report(office.small.region)
    address = f"/v1/reports/{report['report_id']}"
    answer = await office.client.get(address, headers={**office.region, "Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["etag"] == f'"{report["version"]}"'


async def test_what_is_not_made_is_refused_with_what_is(office: Office) -> None:
    report = await office.report(office.small.region)
    address = f"/v1/reports/{report['report_id']}"
    answer = await office.client.get(address, headers={**office.region, "Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "media_type_not_made")
    assert "application/pdf" in answer.json()["detail"]


async def test_the_csv_has_every_figure_and_no_formula(office: Office) -> None:
    report = await office.report(office.small.territorial)
    address = f"/v1/reports/{report['report_id']}"
    answer = await office.client.get(
        address, params={"language": "en"}, headers={**office.territorial, "Accept": "text/csv"}
    )
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(lines) == 2 * len(report["rows"])
    own = {line["Row"]: line["Value"] for line in lines if line["Organisation"].startswith("<script>")}
    assert own == {r["code"]: "" if r["value"] is None else str(r["value"]) for r in report["rows"]}
    assert {line["Organisation"] for line in lines} == {"<script>alert(1)</script> & Ко", '\'=HYPERLINK("x")'}
    assert not any(str(cell).startswith(("=", "+", "-", "@")) for line in lines for cell in line.values())


async def test_the_pdf_is_the_same_for_the_same_revision_and_speaks_two_languages(office: Office) -> None:
    report = await office.report(office.small.region)
    address = f"/v1/reports/{report['report_id']}"
    made: dict[str, bytes] = {}
    for language in ("ru", "en"):
        for _ in range(2):
            answer = await office.client.get(
                address, params={"language": language}, headers={**office.region, "Accept": "application/pdf"}
            )
            assert answer.content.startswith(b"%PDF-")
            assert made.setdefault(language, answer.content) == answer.content
    assert made["ru"] != made["en"]


async def test_the_workbook_speaks_english_too(office: Office) -> None:
    report = await office.report(office.small.school)
    address = f"/v1/reports/{report['report_id']}/xlsx"
    answer = await office.client.get(address, params={"language": "en"}, headers=office.school)
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content))["Report"]
    assert sheet["C7"].value == "Figure"
    assert [sheet.cell(9 + n, 3).value for n in range(len(report["rows"]))] == [
        row["label"]["en"] for row in report["rows"]
    ]
    assert {row["unit"] == "percent" for row in report["rows"]} == {
        sheet.cell(9 + n, 4).value == "%" for n in range(len(report["rows"]))
    }


@pytest.mark.parametrize("file_format", ["pdf", "xlsx"])
async def test_a_whole_set_is_one_archive_with_an_index(
    office: Office, work: Callable[[], Awaitable[None]], file_format: str
) -> None:
    small, client = office.small, office.client
    answer = await client.post(
        f"/v1/organisations/{small.territorial}/archives",
        json={"as_of": AS_OF, "format": file_format},
        headers=office.region,
    )
    assert (answer.status_code, answer.json()["reports"]) == (202, 2)
    address = f"/v1/jobs/{answer.json()['job_id']}"
    assert (await client.get(address, headers=office.region)).json()["state"] == "queued"
    await work()
    job = (await client.get(address, headers=office.region)).json()
    assert (job["state"], job["done"], job["total"], job["result"]["reports"]) == ("done", 2, 2, 2)
    file = await client.get(f"{address}/files/reports.zip", headers=office.region)
    assert file.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        index = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode("utf-8-sig"))))
        assert {line["file"] for line in index} | {"index.csv"} == set(archive.namelist())
        for line in index:
            content = archive.read(line["file"])
            assert hashlib.sha256(content).hexdigest() == line["sha256"]
            assert content.startswith(b"%PDF-" if file_format == "pdf" else b"PK")
    assert [line["level"] for line in index] == ["primary", "territorial"]
    # The chair of the school has not asked for it, and does not see it.
    assert (await client.get(address, headers=office.school)).status_code == 404


async def test_an_archive_whose_worker_is_killed_goes_on_after_its_last_part(
    office: Office, database: Database, settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One report a part. The first worker dies while it makes the second of three; another one takes over."""
    monkeypatch.setattr(archives, "_BATCH", 1)
    make, made, dies = archives._made, [], asyncio.Event()

    async def counted(view: ReportView, *how: Any) -> bytes:
        made.append(view.level)
        if len(made) == 2:
            dies.set()
            await asyncio.Event().wait()
        return await make(view, *how)

    async def ask() -> str:
        address = f"/v1/organisations/{office.small.region}/archives"
        answer = await office.client.post(address, json={"as_of": AS_OF, "format": "xlsx"}, headers=office.federal)
        return f"/v1/jobs/{answer.json()['job_id']}"

    monkeypatch.setattr(archives, "_made", counted)
    address = await ask()
    # A lease that is over when its worker is gone, as it is after half a minute elsewhere.
    briefly = settings.model_copy(update={"job_lease_seconds": 0.2})
    killed = asyncio.create_task(Workshop(service.jobs, database, briefly).do_next())
    await asyncio.wait_for(dies.wait(), 30)
    killed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await killed
    heir = Workshop(service.jobs, database, settings)
    await eventually(heir.do_next)
    job = (await office.client.get(address, headers=office.federal)).json()
    assert (job["state"], job["done"], job["result"]["reports"]) == ("done", 3, 3)
    assert made == ["primary", "regional", "regional", "territorial"]
    whole = await office.client.get(f"{address}/files/reports.zip", headers=office.federal)
    assert (await office.client.get(f"{address}/files/part-0", headers=office.federal)).status_code == 404

    monkeypatch.setattr(archives, "_made", make)
    unbroken = await ask()
    assert await heir.do_next()
    assert (
        await office.client.get(f"{unbroken}/files/reports.zip", headers=office.federal)
    ).content == whole.content


async def test_an_archive_of_nothing_is_refused(office: Office) -> None:
    answer = await office.client.post(
        f"/v1/organisations/{office.small.region}/archives", json={"as_of": "2019-01-01"}, headers=office.region
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "not_one_archive")


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("name", NAMES)
async def test_charts_tell_the_cockpits_figures_without_script_font_or_address(
    office: Office, database: Database, name: str, language: str
) -> None:
    await office.step("sign", office.small.school, office.school)
    async with database.sessions.begin() as session:
        await tallies.add_up(session, datetime.now(UTC), None)
    answer = await office.client.get(
        f"/v1/organisations/{office.small.region}/charts/{name}",
        params={"language": language},
        headers=office.region,
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    _is_harmless(answer.text)
    told = {
        "pyramid": {"1980–84", "1"},
        "completeness": {"территориальных: ожидается 1", "territorial: expected 1"},
        "coverage": {"2 из 4", "2 of 4", "50,0 %", "50.0 %"},
        "heat": {"50,0", "50.0"},
    }[name]
    shown = {element.text for element in ElementTree.fromstring(answer.text).iter() if element.text}
    assert shown & told, shown


async def test_a_chart_of_nothing_says_so(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")
    answer = await client.get(
        f"/v1/organisations/{small.school}/charts/heat", params={"language": "en"}, headers=headers
    )
    assert "There is nothing to show yet." in answer.text


async def test_the_public_chart_hides_small_cells(office: Office) -> None:
    for organisation, chair, above in (
        (office.small.school, office.school, office.territorial),
        (office.small.territorial, office.territorial, office.region),
        (office.small.region, office.region, office.federal),
    ):
        await office.step("sign", organisation, chair)
        await office.step("accept", organisation, above)
    answer = await office.client.get("/v1/public/charts/members", params={"language": "en"})
    assert answer.status_code == 200
    _is_harmless(answer.text)
    assert "suppressed: a small figure" in answer.text
    # Neither the figure nor the length of a bar tells that there are two.
    assert ">2<" not in answer.text
    assert re.findall(r'width="([0-9.]+)" height="14\.0"', answer.text) == ["0.0"]


async def test_an_earlier_revision_is_printed_too(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll
) -> None:
    small = Small()
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")
    await run(client, headers)
    first: Any = await report_of(client, headers, level="primary")
    small.history.member(small.school)
    await deliver_all(small.history.records())
    await run(client, headers)
    address = f"/v1/reports/{first['report_id']}"
    wanted = {"Accept": "text/csv", **headers}
    shown = [
        next(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))["Значение"]
        for answer in [
            await client.get(address, params={"revision": 1}, headers=wanted),
            await client.get(address, headers=wanted),
        ]
    ]
    assert shown == ["2", "3"]


def _is_harmless(svg: str) -> None:
    tags = {element.tag.rsplit("}", 1)[-1] for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {"svg", "title", "desc", "g", "rect", "text", "line", "polyline"}
    addresses = set(re.findall(r"[a-z]+://[^\"' <]+", svg))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"href|url\(|@import|\son[a-z]+=|<script", svg)
