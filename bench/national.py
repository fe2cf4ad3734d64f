"""A fact base of the union's published size, written by the database itself: nobody waits for two million events."""

from dataclasses import dataclass

import asyncpg

REGIONS = 85


@dataclass(frozen=True)
class Size:
    """The union's own figures of 2020, or a share of them."""

    organisations: int = 75_860
    members: int = 2_156_681

    @classmethod
    def share(cls, share: float) -> "Size":
        return cls(max(REGIONS * 4, int(75_860 * share)), max(10_000, int(2_156_681 * share)))

    @property
    def territorials(self) -> int:
        return max(REGIONS, self.organisations // 30)

    @property
    def above(self) -> int:
        """Organisations that are no primaries: the root, the regions, the territorial ones."""
        return 1 + REGIONS + self.territorials


_ID = "('00000000-0000-7000-8{0}-' || lpad(to_hex({1}), 12, '0'))::uuid"
_RECORDED = "timestamptz '2019-01-01'"


def organisation_id(number: int | str) -> str:
    """SQL of the id of the organisation with this number: 0 is the root, then regions, territorial ones, primaries."""
    return _ID.format("000", number)


def member_id(number: str) -> str:
    return _ID.format("111", number)


def _statements(size: Size) -> list[str]:
    regions, above, count = REGIONS, size.above, size.organisations
    parent = (
        f"case when i = 0 then null when i <= {regions} then 0 when i < {above} then 1 + (i * 7919) % {regions}"
        f" else {1 + regions} + (i * 7919) % {size.territorials} end"
    )
    kind = (
        f"case when i = 0 then 'federal' when i <= {regions} then 'regional' when i < {above} then 'territorial'"
        " when i % 200 = 0 then 'primary_with_territorial_rights' else 'primary' end"
    )
    types = "(array['school','school','preschool','preschool','vocational','university','supplementary','other'])"
    organisation = f"""
        select {organisation_id("i")} as organisation_id, {organisation_id("parent")} as parent_id, kind,
            'O' || i as code, 'Организация ' || i as name, 'active' as status,
            case when kind like 'primary%' then {types}[1 + i % 8] end as institution_type,
            case when kind like 'primary%' and i % 20 <> 0 then 30 + i % 90 end as employed,
            case when kind like 'primary%' and i % 3 = 0 then i % 400 end as students, 1 as version
        from (select i, {kind} as kind, {parent} as parent from generate_series(0, {count - 1}) as i) o
    """
    categories = "(array['working','working','working','working','working','student','pensioner',null])"
    # One member in four had something changed, one in forty was transferred, one in sixty left.
    member = f"""
        select {member_id("i")} as member_id, i,
            {organisation_id(f"{above} + (i * 104729) % {count - above}")} as organisation_id,
            {categories}[1 + i % 8] as category,
            case when i % 5 = 0 then 'male' else 'female' end as sex, 1945 + (i * 31) % 60 as birth_year,
            i % 3 = 0 as pedagogical, date '1985-01-01' + ((i * 13) % 13000)::int as joined_on,
            (i % 4 = 0)::int as changed
        from generate_series(0::bigint, {size.members - 1}) as i
    """
    fact = (
        "member_id, version, effective_on, recorded_at, event_type, organisation_id, from_organisation_id, status,"
        " category, sex, birth_year, pedagogical, joined_on, left_on, holds_until"
    )
    elsewhere = organisation_id(f"{above} + (i * 7907) % {count - above}")
    second = "date '2020-01-15' + (i % 700)::int"
    return [
        f"insert into organisation {organisation}",
        "insert into organisation_fact (organisation_id, version, effective_on, recorded_at, event_type, parent_id,"
        " kind, code, name, status, institution_type, employed, students, holds_until)"
        f" select organisation_id, 1, date '1990-01-01', {_RECORDED}, 'registry.organisation_created.v1', parent_id,"
        " kind, code, name, status, institution_type, employed, students, date '9999-12-31' from organisation",
        f"insert into member_fact ({fact}) select member_id, 1, joined_on, {_RECORDED} + i * interval '1 ms',"
        " 'registry.member_admitted.v1', organisation_id, null, 'member', category, sex, birth_year, pedagogical,"
        f" joined_on, null, case when changed = 1 then {second} else date '9999-12-31' end from ({member}) m",
        f"insert into member_fact ({fact}) select member_id, 2, {second}, {second} + time '12:00',"
        " case when i % 40 = 0 then 'registry.member_transferred.v1' when i % 60 = 4 then 'registry.member_left.v1'"
        " else 'registry.member_changed.v1' end,"
        f" case when i % 40 = 0 then {elsewhere} else organisation_id end,"
        " case when i % 40 = 0 then organisation_id end, case when i % 60 = 4 then 'left' else 'member' end,"
        " case when i % 40 = 0 then category else 'pensioner' end, sex, birth_year, pedagogical, joined_on,"
        f" case when i % 60 = 4 then {second} end, date '9999-12-31' from ({member}) m where changed = 1",
        "insert into member (member_id, organisation_id, status, category, sex, birth_year, pedagogical,"
        " joined_on, left_on, version, has_card) select member_id, organisation_id, status, category, sex, birth_year,"
        " pedagogical, joined_on, left_on, version, false from member_fact where holds_until = date '9999-12-31'",
        "insert into card (card_id, member_id, form, status, version) select gen_random_uuid(), member_id, 'virtual',"
        " 'active', 1 from (select member_id, row_number() over () as n from member) m where n % 3 = 0",
        "insert into office_fact (term_id, version, effective_on, recorded_at, event_type, organisation_id, member_id,"
        " office, released, starts_on, ends_on, holds_from, holds_until)"
        f" select gen_random_uuid(), 1, date '2018-01-01', {_RECORDED}, 'registry.office_taken.v1', organisation_id,"
        " min(member_id::text)::uuid, 'chair', false, date '2018-01-01', date '2027-12-31', date '2018-01-01',"
        " date '2028-01-01' from member group by organisation_id",
    ]


TABLES = ("organisation", "organisation_fact", "member", "member_fact", "office_fact", "card")


async def write(dsn: str, size: Size) -> None:
    """Fill an empty database of the reports service. The intervals of the facts are written as the triggers would."""
    connection = await asyncpg.connect(dsn)
    try:
        for table in TABLES:
            await connection.execute(f"alter table {table} disable trigger user")
        for statement in _statements(size):
            await connection.execute(statement)
        for table in TABLES:
            await connection.execute(f"alter table {table} enable trigger user")
            await connection.execute(f"vacuum analyze {table}")
    finally:
        await connection.close()
