import re
import uuid
from pathlib import Path

from common.events import TOPICS
from tests.integration.cli.shell import Operator
from union import platform


def test_a_minted_token_opens_what_its_role_may_see(peopled: Operator) -> None:
    staff = peopled.call("registry", "GET", "/v1/organisations?limit=5", peopled.token("--role", "federal_staff"))
    assert (staff.status_code, len(staff.json()["items"])) == (200, 5)
    partner = peopled.token("--role", "partner", "--partner", "shop")
    assert peopled.call("registry", "GET", "/v1/members", partner).status_code == 403


def test_a_token_that_reaches_nothing_is_warned_of_and_minted_still(site: Operator) -> None:
    minted = site.union("token", "--role", "regional_staff")
    assert minted.code == 0
    assert "Without --organisation" in minted.err
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", minted.out)


def test_topics_are_listed_and_missing_ones_made(site: Operator) -> None:
    listed = site.union("topics")
    assert listed.code == 0
    assert all(topic.name in listed.out and topic.owner in listed.out for topic in TOPICS)
    assert "All topics exist." in site.union("topics", "--create").out


def test_a_partner_in_the_register_has_its_topics_and_the_doctor_misses_them(site: Operator) -> None:
    code = f"p{uuid.uuid4().hex[:8]}"
    site.query(
        "cashback",
        "insert into partner (partner, name, hold_days, landing_url) values ($1, $1, 0, 'https://x.example/')",
        code,
    )
    wanted = {f"partner.{code}.cashback.v1", f"partner.{code}.purchases.v1"}
    try:
        examined = site.union("doctor")
        assert examined.code == 1
        assert all(topic in "".join(examined.told.split()) for topic in wanted), examined.told
        made = site.union("topics", "--create").out
        assert all(topic in "".join(made.partition("Created: ")[2].split()) for topic in wanted)
        assert site.union("doctor").code == 0
    finally:
        # A broker that is started anew would be without them, and the doctor of other tests ill.
        site.query("cashback", "delete from partner where partner = $1", code)


def test_a_dry_republish_counts_the_history_and_sends_nothing(peopled: Operator) -> None:
    history = sum(peopled.count(service.name, "event_history") for service in platform.services())
    counted = peopled.union("republish", "--dry-run")
    assert (counted.code, counted.out.strip()) == (0, f"Would republish {history} events.")
    members = peopled.count("registry", "event_history where topic = 'registry.member.v1'")
    assert f" {members} " in peopled.union("republish", "--dry-run", "--topic", "registry.member.v1").out
    assert not any(peopled.count(service.name, "outbox") for service in platform.services())


def test_models_and_migrations_agree_and_the_running_databases_are_new(site: Operator) -> None:
    checked = site.union("migrate", "--check")
    assert checked.code == 0, checked.told
    assert checked.out.count("models and migrations agree") == 4
    assert site.union("migrate").out.count("at the newest schema") == 4


def test_the_ledger_is_sound(site: Operator) -> None:
    verified = site.union("ledger", "verify")
    assert (verified.code, "the ledger is sound" in verified.out) == (0, True)
    assert site.union("card", "expire").out.strip() == "0 expired, 0 renewed"


def test_what_is_no_card_is_red(site: Operator, tmp_path: Path) -> None:
    keys = str(site.folder / "issuer" / "jwks.json")
    judged = site.union("card", "verify", "HC1:GARBAGE", "--jwks", keys)
    assert (judged.code, judged.out.startswith("red")) == (1, True)
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    assert site.union("card", "verify", "--file", str(tmp_path / "noise"), "--jwks", keys).code == 1


def test_a_database_that_does_not_answer_is_named(site: Operator) -> None:
    site.stack().postgres.kill()
    examined = site.union("doctor")
    assert (examined.code, "postgres not running" in examined.told) == (1, True)
    looked = site.union("status")
    assert (looked.code, "`union up` starts what is missing" in looked.err) == (1, True)
    refused = site.union("parked", "list")
    assert (refused.code, "ask `union doctor`" in refused.err) == (2, True)
