"""What the benchmarks' figures rest on: turns, ratios within a turn, parts by name."""

import pytest

from bench.__main__ import PARTS, chosen
from bench.measure import Turns, measure


def silent(_text: str) -> None:
    pass


async def rate_of(rates: list[float]) -> float:
    return rates.pop(0)


async def test_a_ratio_is_taken_within_each_turn_and_the_warming_up_does_not_count() -> None:
    ours, limit = [9000.0, 10.0, 40.0, 30.0], [1.0, 20.0, 50.0, 120.0]
    row = await measure(
        "a row", "things/s", lambda: rate_of(ours), lambda: rate_of(limit), turns=Turns(3), aim=0.5, report=silent
    )
    assert row.ratio is not None
    assert (row.ratio.min, row.ratio.median, row.ratio.max) == (0.25, 0.5, 0.8)
    assert (row.ours.max, row.turns) == (40.0, 3)


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, [0, 1, 2]), (60.0, [0, 1, 2, 3, 4, 5])])
def test_a_slow_machine_gets_fewer_turns_but_two(seconds: float, expected: list[int]) -> None:
    assert list(Turns(5, 2, seconds).count("a row", silent)) == expected


def test_parts_and_rows_are_picked_by_name() -> None:
    picked = {part.name: rows for part, rows in chosen(["import", "api", "relay"])}
    assert picked == {"kernel": {"api", "relay"}, "import": {"import"}}
    with pytest.raises(KeyError, match="nothing"):
        chosen(["nothing", "api"])


def test_no_two_parts_share_the_name_of_a_row() -> None:
    rows = [row for part in PARTS for row in part.rows]
    assert len(rows) == len(set(rows))
