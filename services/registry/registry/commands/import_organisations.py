"""The register of organisations comes into the base, in one transaction."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from common.db import Database
from common.events.registry import OrganisationCreated
from common.outbox import publish
from registry import errors, rules
from registry.commands.import_records import claim_file
from registry.commands.loading import lock_tree
from registry.importing.organisation_tree import OrganisationRecord
from registry.importing.organisations import read_organisations
from registry.models import Organisation

ROOT_CODE = "0"
ROOT_NAME = "Общероссийский Профсоюз образования"


@dataclass(frozen=True)
class OrganisationRefused:
    """A row that was not taken: `reason` is stable, `message_ru` says what to do."""

    sheet: str | None
    row: int
    reason: str
    message_ru: str


@dataclass(frozen=True)
class OrganisationsImported:
    already_imported: bool
    created: int
    """Organisations new to the base, the root among them if it was missing."""
    known: int
    """Rows with a code that the base has: left as they are there."""
    refused: tuple[OrganisationRefused, ...]

    @property
    def report(self) -> dict[str, Any]:
        """A JSON-ready document, with how often each reason occurred."""
        return {
            "already_imported": self.already_imported,
            "created": self.created,
            "known": self.known,
            "refused": [vars(refusal) for refusal in self.refused],
            "totals": dict(Counter(refusal.reason for refusal in self.refused)),
        }


async def import_organisations(
    database: Database, path: Path, now: datetime, as_of: date | None = None, *, dry_run: bool = False
) -> OrganisationsImported:
    """Import a register of organisations; they are open from `as_of` (default: the day of `now`).

    A regional organisation stands under the union's root, which is made if the base has none. The same file a
    second time has no effect. Raises UnreadableFile for a file that is no register, OSError for no file.
    """
    content = await asyncio.to_thread(path.read_bytes)
    register = await asyncio.to_thread(read_organisations, content)
    refused = [OrganisationRefused(p.sheet, p.row, p.reason, p.message_ru) for p in register.problems]
    day = as_of or now.date()
    rules.check_date(day, "as_of", now.date())
    async with database.sessions() as session, session.begin() as transaction:
        await lock_tree(session)
        totals = {"rows": len(register.organisations)}
        if not await claim_file(
            session, hashlib.sha256(content).digest(), "organisations", path.name, day, now, totals
        ):
            return OrganisationsImported(True, 0, len(register.organisations), tuple(refused))
        created, known = await _write(session, register.organisations, day, refused)
        if dry_run:
            await transaction.rollback()
    return OrganisationsImported(False, created, known, tuple(refused))


async def _write(
    session: AsyncSession,
    records: tuple[OrganisationRecord, ...],
    day: date,
    refused: list[OrganisationRefused],
) -> tuple[int, int]:
    """Insert what is new, parents first. Returns (new, known)."""
    placed = {organisation.code: organisation for organisation in await session.scalars(sa.select(Organisation))}
    root = next((o for o in placed.values() if o.kind == "federal"), None)
    new: list[Organisation] = []
    known = 0
    if root is None and not any(record.kind == "federal" for record in records):
        root = _organisation("federal", ROOT_CODE, ROOT_NAME, None, day)
        new.append(root)
    for record in records:
        if record.code in placed:
            known += 1
            continue
        parent = placed.get(record.parent_code) if record.parent_code else root
        organisation = _placed(record, parent, day)
        if isinstance(organisation, OrganisationRefused):
            refused.append(organisation)
            continue
        placed[record.code] = organisation
        root = organisation if record.kind == "federal" else root
        new.append(organisation)
    session.add_all(new)
    await session.flush()
    session.add_all(organisation.period(organisation.opened_on) for organisation in new)
    for organisation in new:
        publish(session, OrganisationCreated(**organisation.public_state(organisation.opened_on)))
    return len(new), known


def _placed(
    record: OrganisationRecord, parent: Organisation | None, day: date
) -> Organisation | OrganisationRefused:
    try:
        rules.check_placement(record.kind, parent.kind if parent else None)
        if parent is not None:
            rules.check_active(parent)
    except (errors.PlacementRefused, errors.OrganisationClosedAlready) as refusal:
        message = "Вид организации не может стоять под вышестоящей — исправьте вид или вышестоящую организацию."
        return OrganisationRefused(record.sheet, record.row, refusal.code, message)
    organisation = _organisation(record.kind, record.code, record.name, parent, day)
    organisation.institution_type = record.institution_type
    organisation.employed, organisation.students = record.employees, record.students
    return organisation


def _organisation(kind: str, code: str, name: str, parent: Organisation | None, day: date) -> Organisation:
    return Organisation(
        organisation_id=uuid7(),
        parent_id=parent.organisation_id if parent else None,
        kind=kind,
        code=code,
        name=name,
        search_name=rules.search_name(name),
        # Nothing stands under what is not there yet.
        opened_on=max(day, parent.opened_on) if parent else day,
    )
