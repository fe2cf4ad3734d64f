"""Statistics for everybody: numbers so small that they point at people are withheld."""

from collections.abc import Sequence

LEAST = 5
"""Counts from 1 to 4 are withheld; 0 tells of nobody."""

Table = Sequence[Sequence[int]]


def suppressed(table: Table, least: int = LEAST) -> list[list[int | None]]:
    """`table` with withheld cells as None. Its last column and last row are the sums of the others.

    A lone withheld cell in a row or a column would be the sum less the rest: then the smallest other one is
    withheld as well, until every line has none or two at least. Small sums are withheld like other cells.
    """
    shown: list[list[int | None]] = [[None if 0 < cell < least else cell for cell in row] for row in table]
    height, width = len(table), len(table[0]) if table else 0
    lines = [[(r, c) for c in range(width)] for r in range(height)]
    lines += [[(r, c) for r in range(height)] for c in range(width)]
    again = True
    while again:
        again = False
        for line in lines:
            hidden = [(r, c) for r, c in line if shown[r][c] is None]
            visible = [(r, c) for r, c in line if shown[r][c] is not None]
            if len(hidden) == 1 and visible:
                # a zero beside it would add nothing to what could be guessed; it is taken only as the last resort
                r, c = min(visible, key=lambda at: (table[at[0]][at[1]] == 0, table[at[0]][at[1]], at))
                shown[r][c] = None
                again = True
    return shown
