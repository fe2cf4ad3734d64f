"""Which day is asked about, and as known when."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col


@dataclass(frozen=True)
class Moment:
    """A day, and the moment of the knowledge; None: all that is known now.

    An answer for a day and a past moment never changes: corrections come with a moment of their own.
    """

    as_of: date
    known_at: datetime | None = None

    def holds(self, period: Any) -> sa.ColumnElement[bool]:
        """The period (OrganisationPeriod, MemberPeriod) holds on the day, and was believed at the moment."""
        return sa.and_(
            col(period.valid_from) <= self.as_of,
            sa.or_(col(period.valid_to).is_(None), col(period.valid_to) > self.as_of),
            self.believed(period),
        )

    def believed(self, period: Any) -> sa.ColumnElement[bool]:
        return believed(period, self.known_at)


def believed(period: Any, known_at: datetime | None) -> sa.ColumnElement[bool]:
    if known_at is None:
        return col(period.superseded_at).is_(None)
    return sa.and_(
        col(period.recorded_at) <= known_at,
        sa.or_(col(period.superseded_at).is_(None), col(period.superseded_at) > known_at),
    )
