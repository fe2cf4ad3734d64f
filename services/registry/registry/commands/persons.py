"""What is known of a person is corrected."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from registry import rules
from registry.commands.loading import locked
from registry.models import Member, Person

NAMES = ("last_name", "first_name", "patronymic")


async def correct_name(session: AsyncSession, member_id: UUID, names: dict[str, str | None]) -> Member:
    """`names` may hold last_name, first_name and patronymic; told to nobody: no event has a name."""
    member = await locked(session, Member, member_id)
    rules.check_in_force(member)
    person = await locked(session, Person, member.person_id)
    for field, value in names.items():
        setattr(person, field, value)
    person.match_key = rules.match_key(person.last_name, person.first_name, person.patronymic, person.birth_date)
    member.version += 1
    return member
