"""Bodies of imports of registers. No personal data is in them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from registry.schemas.fields import Request

ImportStateName = Literal["checking", "checked", "importing", "imported", "rolling_back", "rolled_back", "failed"]
Outcome = Literal["accepted", "duplicate", "rejected"]


class MappingRequest(Request):
    """What the columns of the registers mean, where the guess is wrong."""

    columns: dict[str, str | None] = Field(
        default_factory=dict,
        max_length=500,
        description="Heading, or `column C`, → field or `ignore`; for every file",
        examples=[{"Дата": "birth_date", "column C": "ignore"}],
    )
    files: dict[str, dict[str, str | None]] = Field(
        default_factory=dict, max_length=100, description="The same for files of a name (`*` for any letters)"
    )


class ImportState(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    batch_id: UUID = Field(serialization_alias="import_id")
    state: ImportStateName
    job_id: UUID | None = Field(description="Its progress: GET /v1/jobs/{job_id}")
    version: int


class ColumnView(BaseModel):
    """How one column was understood."""

    field: str
    heading: str = Field(description="Empty when the column was found by its content")
    column: str = Field(description="As Excel names it")
    confidence: float = Field(description="0 to 1; 1 when you said it")


class SheetView(BaseModel):
    """How one sheet was understood."""

    sheet: str | None = Field(description="Null for a text file")
    heading_row: int | None
    columns: list[ColumnView]
    ignored: list[str] = Field(description="Headings of the columns that are not read")
    organisation_id: UUID | None = Field(description="Of the rows that name none")
    data_rows: int


class ImportFileView(BaseModel):
    number: int
    name: str
    status: Literal["waiting", "imported", "read", "already_imported", "refused"]
    refusal: str | None = Field(description="The code of why the whole file is refused")
    refusal_ru: str | None
    totals: dict[str, int] = Field(description="Rows by outcome and by reason")
    sheets: list[SheetView]


class ImportView(ImportState):
    organisation_id: UUID | None = Field(description="The office; null: the whole union")
    as_of: date
    created_at: datetime
    mapping: dict[str, Any]
    totals: dict[str, int]
    files: list[ImportFileView] = Field(default_factory=list, description="In one import's view alone")


class ImportRowView(BaseModel):
    """The decision for one row of a register."""

    model_config = ConfigDict(from_attributes=True)

    file_number: int
    sheet: str | None
    row: int = Field(description="As Excel counts it")
    outcome: Outcome
    reason: str | None
    of_file: str | None = Field(description="The accepted row that a duplicate repeats")
    of_sheet: str | None
    of_row: int | None
    member_id: UUID | None = Field(description="Who was admitted by the row")
    rolled_back: str | None = Field(description="retracted, or why not: changed, transfer_open, not_a_member")
