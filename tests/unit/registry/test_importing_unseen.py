"""Registers that nobody has seen, a thousand rows at a time: other regions, headings, orders, dates, formats."""

from collections import Counter

import pytest

from tests.unit.registry.reference import SourceFile, classify
from tests.unit.registry.unseen import AS_OF, unseen

_TOGETHER = 20
_RIGHT = 0.995


@pytest.mark.parametrize("first", range(1_000, 1_160, _TOGETHER))
def test_of_rows_never_seen_before_all_but_a_few_in_a_thousand_are_decided_rightly(first: int) -> None:
    rows, wrong, traits = 0, [], Counter[str]()
    for seed in range(first, first + _TOGETHER):
        made = unseen(seed)
        (result,) = classify([SourceFile(made.name, made.content)], made.region.index, [], AS_OF)
        ours = {(row.sheet, row.row): (row.outcome, row.reason) for row in result.rows}
        places = ours.keys() | made.truth.keys()
        rows += len(places)
        traits.update(made.traits)
        wrong += [
            (seed, made.traits, place, made.truth.get(place), ours.get(place))
            for place in sorted(places, key=str)
            if made.truth.get(place) != ours.get(place)
        ]
    print(f"seeds {first} to {first + _TOGETHER - 1}: {len(wrong)} of {rows} rows wrong; {dict(traits)}")
    for line in wrong[:20]:
        print(*line)
    assert rows > 1_000
    assert len(wrong) <= rows * (1 - _RIGHT)


def test_the_seeds_make_every_format_and_every_place_of_an_organisation() -> None:
    traits = {trait for seed in range(1_000, 1_160) for trait in unseen(seed).traits}
    assert {"xlsx", "xls", "ods", "csv", "html"} <= traits
    assert {"column", "code", "sheets", "captions", "title", "merged", "two"} <= traits
    assert {"one", "two", "three", "two rows of headings"} <= traits


def test_a_seed_makes_the_same_register_in_every_run() -> None:
    assert unseen(1_001).truth == unseen(1_001).truth
