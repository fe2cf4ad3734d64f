"""A file's bytes → its registers."""

from collections.abc import Iterator
from datetime import date
from pathlib import PurePath

from registry.importing.mapping import NO_MAPPING, Mapping, column_letters
from registry.importing.organisation_index import OrganisationIndex
from registry.importing.outcomes import SheetReading
from registry.importing.reading import read_sheets
from registry.importing.refusals import UnreadableFile
from registry.importing.registers import Register, registers_of


def open_registers(
    name: str, content: bytes, organisations: OrganisationIndex, as_of: date, mapping: Mapping = NO_MAPPING
) -> Iterator[Register]:
    """The registers of a file, sheet by sheet.

    Raises UnreadableFile, also while their rows are walked over; register_not_found when there is none.
    """
    found = False
    corrections = mapping.of_file(name)
    for register in registers_of(read_sheets(content), organisations, PurePath(name).stem, as_of, corrections):
        found = True
        yield register
    if not found:
        raise UnreadableFile("register_not_found")


def reading_of(register: Register, data_rows: int) -> SheetReading:
    layout = register.layout
    return SheetReading(
        name=register.sheet.name,
        heading_row=layout.heading_row,
        columns=register.columns,
        ignored=layout.ignored,
        organisation_id=register.organisation_id,
        data_rows=data_rows,
        letters={name: column_letters(column) for name, column in register.places.items()},
        confidence=dict(layout.confidence.items()),
        shape=layout.shape,
    )
