import os
import signal

import psutil

from local_stack.processes import has_ended
from tests.integration.cli.shell import EVERYTHING, Operator, Site, eventually


def test_up_starts_everything_and_status_shows_each_process_ready(site: Site) -> None:
    assert f"{EVERYTHING} started, 0 kept." in site.first.out
    looked = site.command("status")
    assert looked.code == 0
    for name, pid in site.pids().items():
        row = next(line for line in looked.out.splitlines() if f" {name} " in line)
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[2] == "yes"
        assert int(cells[1].replace(" ", "")) == pid
        if name.endswith("-worker"):
            assert all(cells[3:6]), "lag, outbox, parked"
    examined = site.union("doctor")
    assert examined.code == 0, examined.told


def test_a_second_up_keeps_what_runs(site: Site) -> None:
    before = site.pids()
    again = site.union("up")
    assert (again.code, f"0 started, {EVERYTHING} kept." in again.out) == (0, True)
    assert site.pids() == before


def test_a_lost_broker_is_started_and_filled_without_a_second_effect(peopled: Site) -> None:
    site = peopled
    members = site.query("registry", "select member_id from member where status = 'member' limit 3")
    for row in members:
        auth = site.token("--role", "member", "--member", str(row["member_id"]))
        consents = f"/v1/members/{row['member_id']}/consents"
        assert site.call("registry", "POST", consents, auth, {"purpose": "cards"}).is_success
    eventually(lambda: site.count("cards", "card where status = 'active'") >= len(members))
    site.quiet()
    tables = [("cards", "card"), ("cards", "member"), ("reports", "member_fact"), ("cards", "event_history")]
    before = {table: site.count(*table) for table in tables}
    told = site.count("registry", "event_history where topic = 'registry.member.v1'")
    apis = {name: pid for name, pid in site.pids().items() if name.endswith("-api")}

    os.kill(site.pids()["kafka"], signal.SIGKILL)
    looked = eventually(lambda: (found := site.union("status")).code and found)
    assert "`union up` starts what is missing" in looked.err
    assert "kafka not running" in site.union("doctor").told
    refused = site.union("topics", "--create")
    assert (refused.code, "The broker does not answer" in refused.err) == (2, True)
    started = site.union("up")

    assert started.code == 0, started.told
    assert "past events are published again" in started.out
    assert "5 started, 6 kept." in started.out
    assert apis.items() <= site.pids().items()
    eventually(lambda: site.metric("cards_worker", "events_consumed_total") >= told)
    site.quiet()
    assert site.metric("cards_worker", "events_duplicate_total") >= len(members), "asked for again"
    assert {table: site.count(*table) for table in tables} == before
    counts = {
        service: site.count(service, "member where status = 'member'")
        for service in ("registry", "cards", "reports")
    }
    assert len(set(counts.values())) == 1, counts


def test_down_leaves_no_process_and_drop_no_data(site: Site) -> None:
    recorded = [psutil.Process(pid) for pid in site.pids().values()]
    recorded += [child for process in recorded for child in process.children(recursive=True)]
    (site.folder / "demo.json").write_text("{}")

    stopped = site.command("down")
    assert (stopped.code, "is kept" in stopped.out) == (0, True)
    assert all(has_ended(process) for process in recorded)
    assert not site.relatives()
    looked = site.union("status")
    assert (looked.code, looked.out.count(" NO ")) == (1, EVERYTHING)
    assert (site.folder / "postgres").exists()

    dropped = site.command("down", "--drop")
    assert (dropped.code, "is removed" in dropped.out) == (0, True)
    assert not site.folder.exists()


def test_drop_refuses_a_folder_that_is_not_its_own(newcomer: Operator) -> None:
    (newcomer.folder / "postgres").mkdir(parents=True)
    (newcomer.folder / "postgres" / "thesis.txt").write_text("mine")
    refused = newcomer.union("down", "--drop")
    assert (refused.code, "nothing was removed" in refused.err) == (2, True)
    assert [path.name for path in newcomer.folder.rglob("*")] == ["postgres", "thesis.txt"]
