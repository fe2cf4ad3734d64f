"""All texts of the portal by their keys: (Russian, English). A part of the portal has a file of its own."""

from portal.texts import common, join, member, money, verify

TEXTS: dict[str, tuple[str, str]] = {}
for _part in (common, join, member, money, verify):
    _twice = TEXTS.keys() & _part.TEXTS.keys()
    if _twice:
        raise ValueError(f"texts written twice: {sorted(_twice)}")
    TEXTS.update(_part.TEXTS)
