"""Types of fields that several services share."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

Kopecks = Annotated[int, Field(ge=-(2**53), le=2**53, description="Money in kopecks (1/100 rouble)")]
PositiveKopecks = Annotated[int, Field(gt=0, le=2**53, description="Money in kopecks (1/100 rouble)")]
Int32 = Annotated[int, Field(ge=0, le=2**31 - 1)]


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a NUL character cannot be stored")
    return value


Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_storable)
]
"""One line of text: a name, a title, a reason."""

Prose = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True), AfterValidator(_storable)
]


def masked(text: str, shown: int = 4) -> str:
    """All but the last `shown` characters hidden: how card numbers appear in pages and logs."""
    return "•" * max(0, len(text) - shown) + text[-shown:] if len(text) > shown else "•" * len(text)
