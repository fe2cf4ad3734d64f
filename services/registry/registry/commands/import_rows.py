"""The rows of an import, read and written in sets."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.db import raw
from common.events.registry import MemberAdmitted
from common.outbox import publish
from registry import rules
from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex
from registry.importing.outcomes import KnownPerson, ParsedPerson
from registry.models import ImportFile

_ORGANISATIONS = sa.text(
    "select organisation_id, name, kind, code, parent_id from organisation where status = 'active'"
)
_MEMBERS = sa.text(
    "select member_id, organisation_id, last_name, first_name, patronymic, birth_date, old_card_number, phone, email"
    " from member join person using (person_id) where status = 'member' order by member_id"
)
_CLOSED = sa.text(
    "select status from organisation where organisation_id = any(:ids) order by organisation_id for share"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))
_OF_KEYS = sa.text(
    "select member_id from member join person using (person_id) where status = 'member' and match_key = any(:keys)"
).bindparams(sa.bindparam("keys", type_=sa.ARRAY(sa.Text)))
_PERSON = (
    *("person_id", "last_name", "first_name", "patronymic", "birth_date", "sex", "phone", "email"),
    *("old_card_number", "match_key"),
)
_MEMBER = (
    *("member_id", "person_id", "organisation_id", "status", "category", "sex", "birth_year", "joined_on"),
    "version",
)
_STAY = ("membership_id", "member_id", "organisation_id", "from_on")


async def imported_files(session: AsyncSession) -> set[bytes]:
    """The SHA-256 of every file imported so far."""
    return set(await session.scalars(sa.text("select sha256 from import_file")))


async def claim_file(
    session: AsyncSession,
    sha256: bytes,
    kind: str,
    name: str,
    as_of: date,
    now: datetime,
    totals: dict[str, int],
) -> bool:
    """False when these bytes were imported before. The claim stands once the transaction commits."""
    row = ImportFile(sha256=sha256, kind=kind, name=name, as_of=as_of, imported_at=now, totals=totals)
    statement = insert(ImportFile).values(row.model_dump()).on_conflict_do_nothing()
    return await session.scalar(statement.returning(ImportFile.sha256)) is not None  # type: ignore[call-overload]


async def organisation_index(session: AsyncSession) -> OrganisationIndex:
    rows = (await session.execute(_ORGANISATIONS)).all()
    return OrganisationIndex(
        IndexedOrganisation(
            id=str(row.organisation_id),
            name=row.name,
            kind=row.kind,
            code=row.code,
            parent_id=str(row.parent_id) if row.parent_id else None,
        )
        for row in rows
    )


async def known_members(session: AsyncSession) -> list[KnownPerson]:
    """Everybody who is a member now; the id is the member's."""
    rows = (await session.execute(_MEMBERS)).all()
    return [
        KnownPerson(
            id=str(row.member_id),
            last=row.last_name,
            first=row.first_name,
            patronymic=row.patronymic or "",
            birth_date=row.birth_date,
            organisation_id=str(row.organisation_id),
            card_number=row.old_card_number,
            phone=row.phone,
            email=row.email,
        )
        for row in rows
    ]


async def hold_organisations(session: AsyncSession, people: Sequence[ParsedPerson]) -> bool:
    """Hold these people's organisations as they are until the transaction ends; false if one is closed by now."""
    ids = sorted({UUID(person.organisation_id) for person in people if person.organisation_id})
    return all(status == "active" for status in await session.scalars(_CLOSED, {"ids": ids}))


async def members_alike(session: AsyncSession, people: Sequence[ParsedPerson]) -> set[str]:
    """The ids of all who are members now and have the name and birth date of one of these people."""
    keys = sorted({_match_key(person) for person in people})
    return {str(member_id) for member_id in await session.scalars(_OF_KEYS, {"keys": keys})}


def _match_key(person: ParsedPerson) -> str:
    assert person.birth_date is not None
    return rules.match_key(person.last, person.first, person.patronymic, person.birth_date)


async def write_members(session: AsyncSession, people: Sequence[ParsedPerson], as_of: date) -> set[str]:
    """Persons, members, stays and events of accepted rows; returns the members' ids.

    The session has begun its transaction.
    """
    persons: list[tuple[Any, ...]] = []
    members: list[tuple[Any, ...]] = []
    stays: list[tuple[Any, ...]] = []
    for person in people:
        assert person.birth_date is not None
        assert person.organisation_id is not None
        person_id, member_id = uuid7(), uuid7()
        organisation_id = UUID(person.organisation_id)
        joined_on = person.joined_on or as_of
        key = _match_key(person)
        persons.append(
            (
                *(person_id, person.last, person.first, person.patronymic or None, person.birth_date),
                *(person.sex, person.phone, person.email, person.card_number, key),
            )
        )
        birth_year = person.birth_date.year
        members.append(
            (
                *(member_id, person_id, organisation_id, "member", person.category, person.sex),
                *(birth_year, joined_on, 1),
            )
        )
        stays.append((uuid7(), member_id, organisation_id, joined_on))
        publish(
            session,
            MemberAdmitted(
                version=1,
                effective_on=joined_on,
                member_id=member_id,
                organisation_id=organisation_id,
                status="member",
                category=person.category,
                sex=person.sex,
                birth_year=birth_year,
                joined_on=joined_on,
                left_on=None,
                consents=[],
                origin="import",
            ),
        )
    driver = await raw(await session.connection())
    for table, columns, records in (
        ("person", _PERSON, persons),
        ("member", _MEMBER, members),
        ("membership", _STAY, stays),
    ):
        await driver.copy_records_to_table(table, records=records, columns=columns)
    return {str(row[0]) for row in members}
