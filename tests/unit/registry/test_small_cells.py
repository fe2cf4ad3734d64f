"""What is withheld from published statistics cannot be computed from what is shown."""

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.small_cells import LEAST, suppressed
from tests.extent import tries


def with_sums(inner: list[list[int]]) -> list[list[int]]:
    rows = [[*row, sum(row)] for row in inner]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]]


def test_small_counts_are_withheld_and_so_is_one_more_beside_a_lone_one() -> None:
    table = with_sums([[10, 3, 20], [30, 40, 50]])
    shown = suppressed(table)
    assert shown[0][1] is None
    assert shown[0][:3].count(None) == 2, "3 = 33 - 10 - 20 would be no secret"
    assert [row[1] for row in shown].count(None) >= 2
    assert shown[2][3] == 153
    assert suppressed(with_sums([[10, 0], [5, 6]])) == with_sums([[10, 0], [5, 6]])


_TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 40), min_size=width, max_size=width), min_size=1, max_size=5)
)


@settings(max_examples=tries(150, long=3000), deadline=None)
@given(_TABLES)
def test_no_line_has_a_lone_withheld_cell_and_nothing_small_is_shown(inner: list[list[int]]) -> None:
    table = with_sums(inner)
    shown = suppressed(table)
    for row, cells in zip(table, shown, strict=True):
        assert all(cell is None or cell == count for count, cell in zip(row, cells, strict=True))
        assert not any(cell is not None and 0 < cell < LEAST for cell in cells)
    for line in [*shown, *zip(*shown, strict=True)]:
        assert list(line).count(None) != 1
