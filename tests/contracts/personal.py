"""What no event may carry, by its name: words that a field of personal data is made of."""

from collections.abc import Iterator
from typing import Any

# fmt: off
FORBIDDEN_WORDS = frozenset(
    {
        "name", "surname", "patronymic", "maiden", "birthday", "photo", "portrait", "signature",
        "phone", "mobile", "email", "mail", "telegram", "contact", "login", "nickname", "ip",
        "address", "street", "flat", "house",
        "passport", "snils", "inn", "number", "pan", "account", "iban", "bik",
        "comment", "note",
    }
)
# fmt: on
FORBIDDEN_NAMES = frozenset(
    {"birth_date", "date_of_birth", "birth_day", "born_on", "disability", "salary", "religion"}
)


def personal(name: str) -> bool:
    """True when a field of this name would look like personal data of a member."""
    return name in FORBIDDEN_NAMES or bool(FORBIDDEN_WORDS & set(name.lower().split("_")))


def names_in(value: Any) -> Iterator[str]:
    """Every key of a JSON value, at any depth."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)
