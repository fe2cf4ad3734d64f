"""Formulas mean in SQL what they mean on paper."""

from decimal import Decimal

import pytest
import sqlalchemy as sa

from common.db import Database
from reports.formulas import Formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", 14),
        ("(a + b) * c", 20),
        ("a - b - c", -5),
        ("a - (b - c)", 3),
        ("c / a / a", 1),
        ("c / (a / a)", 4),
        ("-(a + b)", -5),
        ("a * -b", -6),
        ("0.5 * a", 1),
        ("percent(a, c)", 50),
        ("percent(a, a - 2)", None),
        ("a / nothing", None),
        ("a / (b - 3)", None),
        ("percent(a + b, b + c) + 1", "72.4285714285714286"),
    ],
)
async def test_precedence_signs_division_and_unknowns(
    database: Database, text: str, expected: int | str | None
) -> None:
    values = {
        "a": sa.literal(2),
        "b": sa.literal(3),
        "c": sa.literal(4),
        "nothing": sa.cast(sa.null(), sa.Numeric),
    }
    async with database.sessions() as session:
        result = await session.scalar(sa.select(Formula(text).sql(values)))
    assert result == (None if expected is None else Decimal(expected))
