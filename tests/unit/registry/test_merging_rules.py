"""How two members become one: no day told twice, the person's last word on each consent."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from registry.merging_rules import consents_to_merge, periods_of, stays_to_add
from registry.models import Consent, Membership

HERE, THERE = uuid4(), uuid4()
MEMBER = uuid4()


def stay(organisation: UUID, from_on: str, to_on: str | None = None, reason: str = "transferred") -> Membership:
    return Membership(
        membership_id=uuid4(),
        member_id=MEMBER,
        organisation_id=organisation,
        from_on=date.fromisoformat(from_on),
        to_on=date.fromisoformat(to_on) if to_on else None,
        end_reason=reason if to_on else None,
    )


def test_earlier_days_come_over_and_later_ones_are_told_already() -> None:
    begin = date(2021, 2, 1)
    (added,) = stays_to_add([stay(THERE, "2019-09-01")], begin, date(2019, 9, 1))
    assert (added.organisation_id, str(added.from_on), str(added.to_on), added.end_reason) == (
        *(THERE, "2019-09-01", "2021-02-01"),
        "transferred",
    )
    assert stays_to_add([stay(THERE, "2021-05-01")], begin, begin) == []
    assert stays_to_add([stay(THERE, "2019-09-01")], begin, begin) == []
    (gone,) = stays_to_add([stay(THERE, "2018-01-01", "2019-01-01", "left")], begin, date(2018, 1, 1))
    assert (str(gone.to_on), gone.end_reason) == ("2019-01-01", "left")
    told = periods_of([gone], begin)
    assert [(str(each.from_on), str(each.to_on), status) for each, status in told] == [
        ("2018-01-01", "2019-01-01", "member"),
        ("2019-01-01", "2021-02-01", "left"),
    ]


_DAYS = st.lists(st.dates(date(2019, 1, 1), date(2019, 3, 1)), min_size=2, max_size=8, unique=True).map(sorted)


@given(_DAYS, st.dates(date(2019, 1, 1), date(2019, 3, 1)), st.dates(date(2019, 1, 1), date(2019, 3, 1)))
def test_no_day_is_told_twice_and_the_history_has_no_gap(theirs: list[date], begin: date, joined_on: date) -> None:
    pairs = zip(theirs[::2], theirs[1::2], strict=False)
    absorbed = [stay(THERE, str(start), str(end)) for start, end in pairs]
    added = stays_to_add(absorbed, begin, joined_on)
    days = [n for each in added for n in range(each.from_on.toordinal(), each.to_on.toordinal())]
    told = {n for s in absorbed if s.to_on for n in range(s.from_on.toordinal(), s.to_on.toordinal())}
    assert len(days) == len(set(days))
    assert set(days) == {n for n in told if joined_on.toordinal() <= n < begin.toordinal()}
    periods = [each for each, _ in periods_of(added, begin)]
    assert [each.to_on for each in periods] == [
        *(each.from_on for each in periods[1:]),
        *([begin] if periods else []),
    ]


def consent(given: int, withdrawn: int | None = None, purpose: str = "cards") -> Consent:
    return Consent(
        consent_id=uuid4(),
        member_id=MEMBER,
        purpose=purpose,
        text_version="1",
        text_hash="",
        channel="paper",
        given_at=datetime(2021, 1, given, tzinfo=UTC),
        withdrawn_at=datetime(2021, 1, withdrawn, tzinfo=UTC) if withdrawn else None,
    )


def test_the_last_word_on_either_record_holds() -> None:
    only_there = consent(3)
    assert consents_to_merge([], [only_there]).moved == [only_there]
    mine, theirs = consent(2), consent(3)
    both = consents_to_merge([mine], [theirs])
    assert (both.moved, both.withdrawn) == ([], {})
    no_later = consent(1, withdrawn=9)
    told = consents_to_merge([mine], [no_later])
    assert (told.moved, told.withdrawn) == ([no_later], {mine.consent_id: no_later.withdrawn_at})
    no_earlier = consent(1, withdrawn=1)
    assert consents_to_merge([mine], [no_earlier]).withdrawn == {}
    withdrawn_here = consent(1, withdrawn=5)
    assert consents_to_merge([withdrawn_here], [theirs]).moved == []
    again = consent(7)
    assert consents_to_merge([withdrawn_here], [again]).moved == [again]
    assert consents_to_merge([mine], [no_later, consent(10)]).withdrawn == {}
    assert consents_to_merge([consent(2, purpose="bonus")], [only_there]).moved == [only_there]
