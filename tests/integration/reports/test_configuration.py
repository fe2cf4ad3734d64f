"""A new row, and a new form, need no code."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.testing import Client, TestIssuer
from reports.config import ReportsSettings
from reports.forms import FormBook
from reports.indicators import catalogue
from tests.integration.reports.conftest import DeliverAll
from tests.integration.reports.test_revisions import Small, run

PACKAGED: Path = ReportsSettings.model_fields["report_forms_folder"].default

OWN = """
on_leave: {declared: always, kind: primary, label: {ru: В отпуске по уходу, en: On parental leave}}
men: {formula: members - women, unit: count, label: {ru: Мужчины, en: Men}}
"""
FEDERAL = """
form: federal_quick
version: 1
level: federal
title: {ru: Оперативная сводка, en: Quick summary}
as_of: "07-01"
due: "07-03"
parts: true
rows:
  - {code: A, label: {ru: Члены, en: Members}, value: members}
  - code: B
    label: {ru: Движение, en: Movement}
    value: joined - (left + expelled)
  - {code: C, label: {ru: Доля женщин, en: Share of women}, value: "percent(women, members)", unit: percent}
  - {code: D, label: {ru: Мужчины, en: Men}, value: men}
  - {code: E, label: {ru: В отпуске, en: On leave}, value: on_leave}
checks:
  - {code: odd, left: men, sign: ">=", right: women, label: {ru: Мужчин не меньше, en: No fewer men}}
  - {code: more, left: men, sign: ">=", right: women + 1, label: {ru: Мужчин больше, en: More men}}
"""


@pytest.fixture
def extra_settings(tmp_path: Path) -> dict[str, Any]:
    """Forms of an operator: the packaged ones, a second version with one more row, a form and indicators of its own."""
    folder = tmp_path / "forms"
    shutil.copytree(PACKAGED, folder)
    (folder / "federal_quick.yaml").write_text(FEDERAL)
    (folder / "indicators.yaml").write_text(OWN)
    return {"report_forms_folder": folder}


async def test_a_new_form_is_a_file(client: Client, issuer: TestIssuer, deliver_all: DeliverAll) -> None:
    small = Small()
    root = small.history.organisation("federal")
    small.history.move(small.region, root, small.history.told[0].event.effective_on)
    await deliver_all(small.history.records())
    headers = issuer.bearer("federal_staff")
    assert (await run(client, headers, as_of="2020-07-01"))["formed"] == 1
    item = (await client.get("/v1/reports", params={"level": "federal"}, headers=headers)).json()["items"][0]
    assert item["figures"] == {"A": 2, "B": 0, "C": 50.0, "D": 1, "E": None}
    view = (await client.get(f"/v1/reports/{item['report_id']}", headers=headers)).json()
    assert [part["organisation_id"] for part in view["parts"]] == [str(small.region)]
    assert view["due_on"] == "2020-07-03"
    assert {check["code"]: check["holds"] for check in view["checks"]} == {"odd": True, "more": False}
    asked = next(row for row in view["rows"] if row["code"] == "E")
    assert (asked["declared"], asked["told"]["unknown"]) == (True, 1)
    forms = (await client.get("/v1/forms", headers=headers)).json()["items"]
    assert "federal_quick" in {form["form"] for form in forms}


async def test_a_new_row_is_a_line_in_the_next_version_and_old_reports_keep_theirs(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, app: Any, extra_settings: dict[str, Any]
) -> None:
    await deliver_all(Small().history.records())
    headers = issuer.bearer("federal_staff")
    await run(client, headers, form="primary_yearly")
    folder: Path = extra_settings["report_forms_folder"]
    form = yaml.safe_load((folder / "primary_yearly.1.yaml").read_text("utf-8"))
    row = {"code": "25", "label": {"ru": "Мужчины", "en": "Men"}, "value": "members - women"}
    (folder / "primary_yearly.2.yaml").write_text(
        yaml.safe_dump({**form, "version": 2, "rows": [*form["rows"], row]}), "utf-8"
    )
    app.state.forms = FormBook.read(folder, catalogue())

    assert (await run(client, headers, form="primary_yearly"))["formed"] == 1
    item = (await client.get("/v1/reports", headers=headers)).json()["items"][0]
    assert (item["form_version"], item["revision"], item["figures"]["25"]) == (2, 2, 1)
    address = f"/v1/reports/{item['report_id']}"
    first = (await client.get(address, params={"revision": 1}, headers=headers)).json()
    assert (first["form_version"], [row["code"] for row in first["rows"]][-1]) == (1, "24")
    newest = (await client.get(address, headers=headers)).json()
    assert (newest["rows"][-1]["label"]["en"], newest["rows"][-1]["value"]) == ("Men", 1)


async def test_a_report_whose_form_is_gone_is_still_readable_by_its_codes(
    client: Client, issuer: TestIssuer, deliver_all: DeliverAll, app: Any
) -> None:
    await deliver_all(Small().history.records())
    headers = issuer.bearer("federal_staff")
    await run(client, headers, form="primary_yearly")
    app.state.forms = FormBook([], catalogue())
    item = (await client.get("/v1/reports", headers=headers)).json()["items"][0]
    view = (await client.get(f"/v1/reports/{item['report_id']}", headers=headers)).json()
    assert {row["code"]: row["value"] for row in view["rows"]} == item["figures"]
