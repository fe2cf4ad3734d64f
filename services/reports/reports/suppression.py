"""Small cells of a published table are suppressed, with others beside them, so that no total gives them away.

A table has inner cells, the totals of its rows and columns, and the grand total. Each small cell, above zero and below
the threshold, is hidden together with three others that make a rectangle with it, of which its neighbours on the row
and on the column are not small: amounts can be shifted around the rectangle without changing any total, by at
least the threshold, so nobody can reckon the cell. Totals may take part, as the row or column of a rectangle.
"""

from collections.abc import Sequence

Table = Sequence[Sequence[int]]
Suppressed = list[list[int | None]]


def suppress(table: Table, threshold: int) -> Suppressed:
    """The table with its totals as last row and last column; None: suppressed. All of it where nothing less will do.

    `table` holds the inner cells, at least none; figures are not negative.
    """
    whole = with_totals(table)
    hidden: set[tuple[int, int]] = set()
    small = [
        (row, column)
        for row, cells in enumerate(whole)
        for column, value in enumerate(cells)
        if 0 < value < threshold
    ]
    for row, column in small:
        corner = _corner(whole, hidden, row, column, threshold)
        if corner is None:
            return [[None] * len(cells) for cells in whole]
        other_row, other_column = corner
        hidden |= {(row, column), (row, other_column), (other_row, column), (other_row, other_column)}
    return [
        [None if (row, column) in hidden else value for column, value in enumerate(cells)]
        for row, cells in enumerate(whole)
    ]


def with_totals(table: Table) -> list[list[int]]:
    rows = [[*cells, sum(cells)] for cells in table]
    return [*rows, [sum(column) for column in zip(*rows, strict=True)]] if rows else []


def _corner(
    whole: list[list[int]], hidden: set[tuple[int, int]], row: int, column: int, threshold: int
) -> tuple[int, int] | None:
    """The opposite corner of the rectangle that hides least: fewest cells that are shown as yet, then smallest."""
    best: tuple[tuple[int, int], tuple[int, int]] | None = None
    for other_row in range(len(whole)):
        if other_row == row or whole[other_row][column] < threshold:
            continue
        for other_column in range(len(whole[row])):
            if other_column == column or whole[row][other_column] < threshold:
                continue
            corners = {(row, other_column), (other_row, column), (other_row, other_column)} - hidden
            price = (len(corners), sum(whole[r][c] for r, c in corners))
            if best is None or price < best[0]:
                best = (price, (other_row, other_column))
    return best[1] if best else None
