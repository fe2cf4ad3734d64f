"""What came in by registers of offices: batches, their files, the decision for every row. No personal data."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from registry.models.base import Table, moment


class ImportFile(Table, table=True):
    """A file that was imported. A file with the same bytes is never imported a second time, unless rolled back."""

    __tablename__ = "import_file"

    sha256: bytes = Field(primary_key=True)
    kind: str
    """members or organisations."""
    name: str
    as_of: date
    imported_at: datetime = moment()
    totals: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))


class ImportBatch(Table, table=True):
    """One import of some registers of members: checked (a dry run), then imported, perhaps rolled back."""

    __tablename__ = "import_batch"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint(
            "state in ('checking', 'checked', 'importing', 'imported', 'rolling_back', 'rolled_back', 'failed')",
            name="state_known",
        ),
    )

    batch_id: UUID = Field(primary_key=True)
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.organisation_id", index=True)
    """The office: rows of organisations that do not stand under it are refused. Null: the whole union."""
    requested_by: str
    """`sub` of the asker's token, or `operator`."""
    as_of: date
    state: str
    files_job_id: UUID | None = None
    """The job with which the files came; they are kept with it for some days."""
    job_id: UUID | None = None
    """The last job: its progress is the batch's, and it keeps the annotated copies."""
    mapping: dict[str, Any] = Field(default_factory=dict, sa_column=sa.Column(JSONB, nullable=False))
    """The correction of the guessed columns: importing.mapping.Mapping's document."""
    totals: dict[str, Any] = Field(default_factory=dict, sa_column=sa.Column(JSONB, nullable=False))
    """Rows by outcome and reason; after a roll-back also `retracted` and `kept`."""
    created_at: datetime = moment()
    version: int = 1


class ImportBatchFile(Table, table=True):
    """A file of a batch: how it was understood, and what came of it."""

    __tablename__ = "import_batch_file"
    __table_args__: ClassVar[Any] = (
        sa.CheckConstraint(
            "status in ('waiting', 'imported', 'read', 'already_imported', 'refused')", name="status_known"
        ),
    )

    batch_id: UUID = Field(primary_key=True, foreign_key="import_batch.batch_id")
    number: int = Field(primary_key=True)
    """Its place in the order of names, from 1."""
    name: str
    sha256: bytes | None = Field(default=None, index=True)
    status: str = "waiting"
    refusal: str | None = None
    """The code of why the whole file is refused."""
    sheets: list[Any] = Field(default_factory=list, sa_column=sa.Column(JSONB, nullable=False))
    """importing.outcomes.SheetReading of each sheet."""
    totals: dict[str, Any] = Field(default_factory=dict, sa_column=sa.Column(JSONB, nullable=False))


class ImportRow(Table, table=True):
    """The decision for one data row of a file."""

    __tablename__ = "import_row"
    __table_args__: ClassVar[Any] = (
        sa.Index("import_row_member", "member_id", postgresql_where=sa.text("member_id is not null")),
        sa.Index("import_row_of_member", "of_member_id", postgresql_where=sa.text("of_member_id is not null")),
    )

    batch_id: UUID = Field(primary_key=True)
    file_number: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    """Counts the data rows of the file, from 1."""
    sheet: str | None = None
    row: int
    """As Excel counts it."""
    outcome: str
    reason: str | None = None
    of_file: str | None = None
    of_sheet: str | None = None
    of_row: int | None = None
    """The accepted row that a duplicate repeats, when it stands in a register of this import."""
    of_member_id: UUID | None = None
    """The member whom a duplicate repeats."""
    member_id: UUID | None = None
    """Who was admitted by the row."""
    rolled_back: str | None = None
    """After a roll-back: retracted, or why the member was kept (changed, transfer_open, not_a_member)."""


class ImportMapping(Table, table=True):
    """What an office said of the columns of its registers, for the next file with the same headings."""

    __tablename__ = "import_mapping"

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.organisation_id")
    shape: str = Field(primary_key=True)
    """importing.mapping.shape_of the headings."""
    columns: dict[str, Any] = Field(sa_column=sa.Column(JSONB, nullable=False))
    """Heading → field, as in Mapping.columns."""
    saved_at: datetime = moment()
