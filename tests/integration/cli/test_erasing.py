"""An operator erases a person with one command, and again after a restore."""

import json
from pathlib import Path

from tests.integration.cli.shell import Operator, eventually

NAMES = ("--requested-by", "Петрова", "--approved-by", "Сидорова")


def somebody(site: Operator) -> tuple[str, str]:
    [row] = site.query(
        "registry",
        "select m.member_id, p.last_name from member m join person p using (person_id)"
        " where m.status = 'member' order by m.member_id limit 1",
    )
    return str(row["member_id"]), str(row["last_name"])


def test_one_command_erases_a_person_in_every_service(peopled: Operator, tmp_path: Path) -> None:
    member, name = somebody(peopled)
    journal = tmp_path / "apart" / "journal.jsonl"
    ended = peopled.union("member", "erase", member, "--request-number", "17", *NAMES, "--journal", str(journal))
    assert ended.code == 0, ended.told
    assert f"{member}" in ended.out
    assert name not in ended.told
    entry = json.loads(journal.read_text())
    assert (entry["member_ids"], entry["requested_by"]) == ([member], "operator: Петрова")
    number = entry["erasure_id"]
    eventually(lambda: peopled.union("member", "forgotten", number).code == 0)
    for service in ("cards", "cashback", "reports"):
        [row] = peopled.query(service, "select status from member where member_id = $1::uuid", member)
        assert row["status"] == "erased", service
    assert "передано" in peopled.union("member", "act", number).out
    again = peopled.union("member", "erase", member, "--request-number", "18", *NAMES)
    assert (again.code, "was erased before" in again.err) == (1, True)
    exported = peopled.union("member", "journal", str(tmp_path / "all.jsonl"))
    assert "1 erasures are in" in exported.told
    assert (tmp_path / "all.jsonl").read_text() == journal.read_text()
    reapplied = peopled.union("member", "erase", "--reapply", str(journal))
    assert "1 erasures in the journal: 0 done again, 1 were still done." in reapplied.told


def test_what_cannot_be_erased_is_refused_in_a_sentence(peopled: Operator, tmp_path: Path) -> None:
    member, _ = somebody(peopled)
    one = ("--requested-by", "Петрова", "--approved-by", "петрова ")
    refused = peopled.union("member", "erase", member, "--request-number", "17", *one)
    assert (refused.code, "four eyes" in refused.err) == (2, True)
    assert peopled.union("member", "erase", member).code == 2
    unknown = "00000000-0000-7000-8000-000000000000"
    nobody = peopled.union("member", "erase", unknown, "--request-number", "17", *NAMES)
    assert (nobody.code, "No member" in nobody.err) == (1, True)
    (tmp_path / "journal.jsonl").write_text('{"erasure_id": "x"}\n')
    unsound = peopled.union("member", "erase", "--reapply", str(tmp_path / "journal.jsonl"))
    assert (unsound.code, "Line 1 of the journal" in unsound.err) == (1, True)
    assert peopled.union("member", "act", unknown).code == 1
    assert peopled.union("member", "forgotten", unknown).code == 1
