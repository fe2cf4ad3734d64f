"""The demonstration's own instruments: they must be able to fail."""

import json
import random
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from union.demo.importing import compare
from union.demo.people import applicant
from union.demo.privacy import Scanner
from union.demo.proof import quantile

BORN = date(1980, 3, 2)
MEMBER = str(uuid4())


@pytest.fixture
def scanner() -> Scanner:
    return Scanner(
        surnames=frozenset({"заозерский", "школьная"}),
        phones=frozenset({"9131234567"}),
        births=frozenset({BORN}),
        birth_of={MEMBER: BORN},
        public_words=frozenset({"школьная"}),
    )


def record(**body: object) -> bytes:
    return json.dumps({"member_id": MEMBER, **body}).encode()


@pytest.mark.parametrize(
    "text",
    [
        "Заозерский пришёл",
        '{"who":"ЗАОЗЕРСКИЙ"}',
        "tel 8(913)1234567.",
        "+79131234567",
        "8 (913) 123-45-67",
        "born 1980-03-02T00:00",
        "02.03.1980 г.",
    ],
)
def test_each_spelling_of_a_datum_is_found_in_a_log(scanner: Scanner, text: str) -> None:
    assert scanner.look(text, "a.log") == 1


@pytest.mark.parametrize(
    "text",
    [
        "МБОУ «Школьная»",  # a surname that is also a word of an organisation's public name
        "0190c5d0-9131-7000-8000-913123456700",  # digits inside an id
        "1980-03-03 2021-01-01T10:00:00Z",
        "Заозерск",
    ],
)
def test_what_is_no_datum_is_left_alone(scanner: Scanner, text: str) -> None:
    assert scanner.look(text, "a.log") == 0


def test_escaped_cyrillic_in_a_log_is_read(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    path.write_text(json.dumps({"event": "Заозерский"}))
    scanner.look_at_log(path)
    assert scanner.found == ["surname in w.log"]


def test_a_record_may_hold_days_of_business_but_not_the_members_birthday(scanner: Scanner) -> None:
    scanner.look_at_record("t", b"k", record(joined_on="2001-03-02"), [("ce_id", b"x")])
    assert scanner.found == []
    scanner.look_at_record("t", b"k", record(joined_on="1980-03-02"), [])
    assert scanner.found == ["the member's own birth date in t"]


def test_a_birth_date_in_a_field_that_is_no_day_of_business_is_found(scanner: Scanner) -> None:
    other = json.dumps({"member_id": str(uuid4()), "note": "1980-03-02"}).encode()
    scanner.look_at_record("t", None, other, [])
    assert scanner.found == ["birth date in t"]


def test_a_name_in_a_header_or_key_is_found(scanner: Scanner) -> None:
    scanner.look_at_record("t", "Заозерский".encode(), b"{}", [("x", "Заозерский".encode())])
    assert len(scanner.found) == 2


def test_the_scanner_proves_that_it_sees(scanner: Scanner) -> None:
    assert scanner.finds_what_is_planted()
    assert scanner.found == []
    assert not Scanner(frozenset(), frozenset(), frozenset(), {}).finds_what_is_planted()


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    buckets = {0.1: 50.0, 0.2: 100.0, float("inf"): 100.0}
    assert quantile(0.5, buckets) == pytest.approx(0.1)
    assert quantile(0.75, buckets) == pytest.approx(0.15)
    assert quantile(
        0.75, {0.1: 60.0, 0.2: 200.0, float("inf"): 200.0}, {0.1: 60.0, 0.2: 100.0, float("inf"): 100.0}
    ) == (pytest.approx(0.175))
    assert quantile(0.5, {}) == 0.0


def test_an_import_that_differs_is_seen_as_differing() -> None:
    def file(*outcomes: tuple[str, str | None]) -> dict[str, object]:
        rows = [{"sheet": "1", "row": i, "outcome": o, "reason": r} for i, (o, r) in enumerate(outcomes)]
        return {"files": {"a.csv": {"rows": rows}}, "totals": {"accepted": 1, "duplicate": 0, "rejected": 1}}

    truth = file(("accepted", None), ("rejected", "too_young"))
    assert compare(truth, truth)["share"] == 1.0
    assert compare(file(("accepted", None), ("rejected", "name_missing")), truth)["share"] == 0.5
    assert compare(file(("accepted", None)), truth)["share"] == 0.5
    assert compare(file(("accepted", None), ("rejected", "too_young"), ("accepted", None)), truth)["agree"] == 2


def test_applicants_are_old_enough_and_the_same_for_a_seed() -> None:
    day = date(2021, 5, 1)
    people = [applicant(random.Random(7), n, "student" if n % 4 == 0 else "working", day) for n in range(200)]
    assert people == [
        applicant(random.Random(7), n, "student" if n % 4 == 0 else "working", day) for n in range(200)
    ]
    assert all(day.year - date.fromisoformat(p["birth_date"]).year >= 14 for p in people)
