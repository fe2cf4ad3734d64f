"""What all bodies of requests share. Money is whole kopecks; days are ISO dates."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    StringConstraints,
)

_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)


def _sensible_day(day: date) -> date:
    if not _EARLIEST <= day <= _LATEST:
        raise ValueError(f"a day must be from {_EARLIEST} to {_LATEST}")
    return day


def _sensible_moment(moment: datetime) -> datetime:
    if not _EARLIEST <= moment.astimezone(UTC).date() <= _LATEST:
        raise ValueError(f"a moment must be from {_EARLIEST} to {_LATEST}")
    return moment


def _no_overflow(moment: datetime) -> datetime:
    # The first and the last years cannot be brought to UTC at all.
    if not _EARLIEST.year <= moment.year <= _LATEST.year:
        raise ValueError(f"a moment must be from {_EARLIEST} to {_LATEST}")
    return moment


Day = Annotated[date, AfterValidator(_sensible_day)]
Moment = Annotated[AwareDatetime, AfterValidator(_no_overflow), AfterValidator(_sensible_moment)]
PartnerCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[!-~]{3,500}$")]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
