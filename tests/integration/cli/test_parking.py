import pytest

from tests.integration.cli.shell import Operator, eventually

TOPIC = "registry.member.v1"
POISON = b'{"what": "[bold]no member[/] \x1b[31m"}'
HEARERS = ("cards", "cashback", "reports")


def parked(site: Operator, service: str) -> list[int]:
    return [row["id"] for row in site.query(service, "select id from parked_record order by id")]


@pytest.fixture
def member(peopled: Operator) -> str:
    """A member without a card."""
    [row] = peopled.query(
        "registry",
        "select member_id from member m where status = 'member' and not exists"
        " (select from consent c where c.member_id = m.member_id and purpose = 'cards') limit 1",
    )
    return str(row["member_id"])


def test_a_poison_record_stops_its_key_alone_until_it_is_discarded(peopled: Operator, member: str) -> None:
    site = peopled
    others = site.count("cards", "member")
    site.send(TOPIC, member, POISON, {"ce_id": "x", "ce_type": "registry.member_admitted.v1"})
    eventually(lambda: all(len(parked(site, service)) == 1 for service in HEARERS))

    # Two true events of the key follow: they wait, in their order.
    auth = site.token("--role", "member", "--member", member)
    consent = site.call("registry", "POST", f"/v1/members/{member}/consents", auth, {"purpose": "cards"})
    assert consent.status_code == 201, consent.text
    left = site.call("registry", "POST", f"/v1/members/{member}/leave", auth, {"effective_on": "2021-12-01"})
    assert left.is_success, left.text
    eventually(lambda: all(len(parked(site, service)) == 3 for service in HEARERS))
    assert site.count("cards", "card") == 0

    listed = site.union("parked", "list")
    assert listed.code == 0
    for service in HEARERS:
        assert f"{service}.{TOPIC}" in listed.out
    assert listed.out.count(member) == 9
    assert listed.out.count("waits_behind_key") == 6
    assert site.union("parked", "list", "--service", "registry").told.strip() == "Nothing is parked."
    eventually(lambda: site.metric("cards_worker", "events_parked_records") == 3)
    assert " 3 " in next(line for line in site.union("status").out.splitlines() if "cards-worker" in line)
    doctor = site.union("doctor")
    assert (doctor.code, "`union parked list`" in doctor.told) == (1, True)

    first = parked(site, "cards")[0]
    shown = site.union("parked", "show", "cards", str(first))
    assert shown.code == 0
    assert f"{TOPIC}/" in shown.out
    assert "ce_type: registry.member_admitted.v1" in shown.out
    assert '"[bold]no member[/] \\x1b[31m"' in shown.out, "the body as it came, harmless to a terminal"

    retried = site.union("parked", "retry")
    assert (retried.code, "9 records are still parked" in retried.err) == (1, True)
    assert [len(parked(site, service)) for service in HEARERS] == [3, 3, 3]
    assert site.query("cards", "select attempts from parked_record where id = $1", first)[0]["attempts"] == 2

    for service in HEARERS:
        discarded = site.union(
            "parked", "discard", service, str(parked(site, service)[0]), "--reason", "[sent] by a test"
        )
        assert (discarded.code, "[sent] by a test" in discarded.out) == (0, True)
    finished = site.union("parked", "retry")
    assert (finished.code, finished.told.strip().endswith("Nothing is parked.")) == (0, True)
    assert "cards: finished 2, left 0" in finished.out

    # In order: the consent gave a card, leaving ended it. The other way round there would be none.
    site.quiet()
    [card] = site.query("cards", "select status from card where member_id = $1::text::uuid", member)
    assert card["status"] not in ("requested", "issued", "active")
    versions = {
        service: site.query(service, "select version from member where member_id = $1::text::uuid", member)[0][0]
        for service in ("registry", *HEARERS)
    }
    assert len(set(versions.values())) == 1, versions
    assert site.count("cards", "member") == others
    eventually(lambda: site.metric("cards_worker", "events_parked_records") == 0)


def test_what_is_not_parked_cannot_be_shown_or_discarded(site: Operator) -> None:
    for arguments in (("show", "cards", "12345"), ("discard", "cards", "12345", "--reason", "none")):
        refused = site.union("parked", *arguments)
        assert (refused.code, "cards has no parked record 12345" in refused.err) == (2, True)
