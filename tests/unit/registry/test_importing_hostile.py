"""Files made to break the reader: each is refused with its code, in bounded time and memory."""

import io
import struct
import zipfile

import pytest
import xlsxwriter

from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex
from registry.importing.refusals import REFUSALS_RU
from tests.unit.registry.reference import FileResult, SourceFile, classify
from tests.unit.registry.unseen import AS_OF, unseen

SCHOOLS = OrganisationIndex([IndexedOrganisation("a", "ППО МБОУ «Лицей № 4»", "primary", "A-4")])
PERSON = ["Иванова Анна Петровна", "01.02.1980", "Лицей № 4"]
TABLE = [["ФИО", "Дата рождения", "ППО"], PERSON]


def decide(content: bytes, name: str = "file.xlsx") -> FileResult:
    (result,) = classify([SourceFile(name, content)], SCHOOLS, [], AS_OF)
    return result


def refusal(content: bytes, name: str = "file.xlsx") -> str:
    refused = decide(content, name).refusal
    assert refused is not None
    assert refused.message_ru == REFUSALS_RU[refused.code]
    return refused.code


def workbook(rows: list[list[str]] = TABLE) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return target.getvalue()


def repacked(content: bytes, **changed: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            key = member.filename.rsplit("/", 1)[-1].split(".")[0]
            new.writestr(member.filename, changed.get(key, old.read(member)))
    return target.getvalue()


def test_one_cell_is_no_register() -> None:
    assert refusal(workbook([["ФИО"]])) == "register_not_found"
    assert refusal("ФИО".encode(), "a.csv") == "register_not_found"


def test_a_bomb_of_one_sheet_is_refused_before_it_is_unpacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.importing.archives.MAX_UNPACKED_BYTES", 1 << 24)
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>' + b"A" * 1_000 + b"</t></is></c></row>"
    bomb = b'<?xml version="1.0"?><worksheet><sheetData>' + row * 17_000 + b"</sheetData></worksheet>"
    assert refusal(repacked(workbook(), sheet1=bomb)) == "sheet_too_large"


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        archive.writestr("xl/sharedStrings.xml", b"\x00" * (1 << 28))
    content = bytearray(target.getvalue())
    # the size in the directory is made small
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 1_000)
    assert refusal(bytes(content)) in ("file_corrupt", "sheet_too_large")


def test_a_sheet_of_a_million_columns_is_refused() -> None:
    assert refusal(("ФИО;Дата рождения;ППО" + ";x" * 1_000_000 + "\n").encode(), "a.csv") == "sheet_too_large"
    sheet = b'<worksheet><sheetData><row r="1"><c r="ZZZ1"><v>1</v></c></row></sheetData></worksheet>'
    assert refusal(repacked(workbook(), sheet1=sheet)) == "sheet_too_large"


def test_encrypted_files_are_refused_with_what_to_do() -> None:
    ole = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + b"\x00" * 600
        + "EncryptedPackage".encode("utf-16-le")
        + b"\x01" * 999
    )
    assert refusal(ole) == "file_password_protected"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", b"\x91" * 500)
        archive.writestr("META-INF/manifest.xml", "<manifest><encryption-data checksum='x'/></manifest>")
    assert refusal(target.getvalue(), "a.ods") == "file_password_protected"


@pytest.mark.parametrize("ending", ["xlsx", "xls", "csv", "ods", "pdf", "exe", ""])
def test_what_a_file_is_is_told_by_its_content_not_by_its_ending(ending: str) -> None:
    csv = "\n".join(";".join(row) for row in TABLE).encode("cp1251")
    for content in (workbook(), csv):
        assert [row.outcome for row in decide(content, f"a.{ending}").rows] == ["accepted"]


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_a_truncated_workbook_is_refused_wherever_it_is_cut(kind: str) -> None:
    seed = next(seed for seed in range(2_000, 2_200) if unseen(seed).traits[0] == kind)
    content = unseen(seed).content
    for part in (0.999, 0.9, 0.5, 0.1, 0.01):
        assert refusal(content[: int(len(content) * part)], f"a.{kind}") in ("file_corrupt", "file_format_unknown")


def test_a_truncated_text_gives_the_rows_that_are_whole() -> None:
    people = "".join(f"{name} Анна Петровна;0{n + 1}.02.1980;Лицей № 4\n" for n, name in enumerate(_NAMES))
    content = f"ФИО;Дата рождения;ППО\n{people}".encode("cp1251")
    outcomes = [row.outcome for row in decide(content[:-25], "a.csv").rows]
    assert outcomes[:-1] == ["accepted"] * (len(_NAMES) - 1)
    assert outcomes[-1] == "rejected"


_NAMES = ("Иванова", "Петрова", "Сидорова", "Кузнецова", "Смирнова")


def test_huge_texts_are_cut_or_refused() -> None:
    assert refusal(("ФИО;Дата рождения\n" + "x" * (20 << 20)).encode(), "a.csv") == "file_corrupt"
    rows = [*TABLE, ["Я" * 32_000, "02.03.1981", "Лицей № 4"]]
    first, second = decide(workbook(rows)).rows
    assert (first.outcome, second.outcome) == ("accepted", "rejected")
    assert len(second.message_ru) < 5_000


def test_a_page_of_a_web_site_that_is_no_table_is_refused() -> None:
    page = b"<!DOCTYPE html><html><body><form>Sign in</form></body></html>"
    assert refusal(page, "register.xls") == "file_format_unknown"


def test_entities_of_xml_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    cell = b"<row r='1'><c r='A1' t='inlineStr'><is><t>&j;</t></is></c></row>"
    sheet = b"]><worksheet><sheetData>" + cell + b"</sheetData></worksheet>"
    assert refusal(repacked(workbook(), sheet1=bomb + sheet)) in ("file_corrupt", "register_not_found")


def test_every_format_of_the_generator_is_read_without_its_ending() -> None:
    for seed in range(2_300, 2_330):
        made = unseen(seed)
        (result,) = classify([SourceFile("register", made.content)], made.region.index, [], AS_OF)
        assert result.refusal is None


def test_a_delimiter_of_an_office_of_its_own_is_found() -> None:
    for delimiter in ":^~":
        text = "\n".join(delimiter.join(row) for row in [*TABLE, *[PERSON] * 3])
        assert decide(text.encode(), "a.csv").rows[0].outcome == "accepted"
