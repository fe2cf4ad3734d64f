"""Nobody reckons a small cell from what is published."""

from hypothesis import given
from hypothesis import strategies as st

from reports.suppression import Suppressed, suppress, with_totals

THRESHOLD = 10
cells = st.one_of(st.integers(0, 12), st.integers(0, 400))
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=7)
)


def alternatives(whole: list[list[int]], published: Suppressed, row: int, column: int) -> int:
    """By how much the hidden cell could differ, around some rectangle of hidden cells, with no total told wrong."""
    height, width = len(whole), len(whole[0])

    def sign(r: int, c: int) -> int:
        return -1 if (r == height - 1) != (c == width - 1) else 1

    best = 0
    for other_row in range(height):
        for other_column in range(width):
            corners = [(row, column), (row, other_column), (other_row, column), (other_row, other_column)]
            if other_row == row or other_column == column or any(published[r][c] is not None for r, c in corners):
                continue
            ways = [sign(*corner) * way for corner, way in zip(corners, (1, -1, -1, 1), strict=True)]
            for direction in (1, -1):
                falls = [whole[r][c] for (r, c), way in zip(corners, ways, strict=True) if way * direction < 0]
                best = max(best, min(falls, default=10**9))
    return best


@given(tables)
def test_every_small_cell_is_hidden_and_could_be_another_by_the_threshold(table: list[list[int]]) -> None:
    whole, published = with_totals(table), suppress(table, THRESHOLD)
    hidden = [cell for line in published for cell in line if cell is None]
    for row, line in enumerate(whole):
        for column, value in enumerate(line):
            assert published[row][column] in (None, value)
            if 0 < value < THRESHOLD:
                assert published[row][column] is None
                everything = len(hidden) == len(whole) * len(whole[0])
                assert everything or alternatives(whole, published, row, column) >= THRESHOLD


def test_one_small_cell_takes_three_others_along_and_no_more() -> None:
    published = suppress([[500, 3, 40], [300, 90, 70], [800, 60, 50]], THRESHOLD)
    assert published == [
        [500, None, None, 543],
        [300, 90, 70, 460],
        [800, None, None, 910],
        [1600, 153, 160, 1913],
    ]


def test_a_table_without_small_cells_is_published_whole_and_an_empty_one_too() -> None:
    assert suppress([[500, 0], [20, 10]], THRESHOLD) == [[500, 0, 500], [20, 10, 30], [520, 10, 530]]
    assert suppress([], THRESHOLD) == []


def test_where_nothing_could_hide_a_cell_nothing_is_published() -> None:
    assert suppress([[3]], THRESHOLD) == [[None, None], [None, None]]
