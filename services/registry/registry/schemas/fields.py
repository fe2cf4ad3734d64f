"""Fields that several bodies share."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.types import Line

BusinessDate = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))]
"""The rules refuse days that have not come."""

NamePart = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\W\d_][\w .'’`\-]*$")
]
Phone = Annotated[str, StringConstraints(max_length=16, pattern=r"^\+[0-9]{10,15}$")]
"""International form: + and 10 to 15 digits."""
Email = Annotated[
    str,
    StringConstraints(
        max_length=254,
        to_lower=True,
        strip_whitespace=True,
        pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+$",
    ),
]
HeadCount = Annotated[int, Field(ge=0, le=1_000_000)]


class Request(BaseModel):
    """A body of a request: nothing that is not named is taken."""

    model_config = ConfigDict(extra="forbid")


class Reason(Request):
    reason: Line
