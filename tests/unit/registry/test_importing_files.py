"""Files that are no registers: each is refused with a stable code and a sentence, never with a traceback."""

import io
import random
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from registry.importing.annotate import annotate
from registry.importing.delimited import decode
from registry.importing.mapping import NO_MAPPING
from registry.importing.organisation_index import IndexedOrganisation, OrganisationIndex
from registry.importing.reading import read_sheets
from registry.importing.refusals import UnreadableFile
from registry.importing.retelling import retell
from tests.unit.registry.reference import FileResult, SourceFile, annotated, build_report, classify

AS_OF = date(2022, 1, 1)
SCHOOLS = OrganisationIndex([IndexedOrganisation("a", "ППО МБОУ «Лицей № 4»", "primary", "A-4")])


def decide(content: bytes, name: str = "file.xlsx") -> FileResult:
    (result,) = classify([SourceFile(name, content)], SCHOOLS, [], AS_OF)
    return result


def xlsx(rows: Sequence[Sequence[object]], sheet: str = "Лист1") -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    page = book.add_worksheet(sheet)
    for line, row in enumerate(rows):
        page.write_row(line, 0, row)
    book.close()
    return target.getvalue()


REGISTER = [["ФИО", "Дата рождения", "ППО"], ["Иванова Анна Петровна", "01.02.1980", "Лицей № 4"]]


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"\x00" * 4096, "file_empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "file_empty"),
        (random.Random(1).randbytes(20_000), "file_format_unknown"),
        (b"%PDF-1.7\n" + random.Random(2).randbytes(9_000), "file_format_unknown"),
        (b"PK\x03\x04" + random.Random(3).randbytes(5_000), "file_corrupt"),
        (xlsx(REGISTER)[:-400], "file_corrupt"),
        (xlsx(REGISTER)[:900], "file_corrupt"),
        (zipped(readme=b"no workbook"), "file_corrupt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 8_000, "file_corrupt"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") + b"\x01" * 999,
            "file_password_protected",
        ),
        (xlsx([["Инструкция"], ["Заполните и верните до пятницы"]]), "register_not_found"),
        (xlsx([]), "register_not_found"),
        ("просто письмо, а не таблица".encode("cp1251"), "register_not_found"),
        (b"<html><body>404</body></html>", "file_format_unknown"),
    ],
)
def test_what_is_no_register_is_refused_with_a_code_and_advice(content: bytes, code: str) -> None:
    result = decide(content)
    assert result.refusal is not None
    assert result.refusal.code == code
    assert result.refusal.message_ru.endswith(".")
    assert result.rows == ()
    assert annotated(content, result).startswith(b"PK")
    assert build_report([result])["files"]["file.xlsx"]["refusal"]["code"] == code


@pytest.mark.parametrize("seed", range(60))
def test_damaged_registers_never_raise(seed: int) -> None:
    rng = random.Random(seed)
    sources = [
        xlsx(REGISTER * 20),
        "ФИО;Дата рождения\nИванова Анна Петровна;01.02.1980\n".encode("cp1251") * 9,
    ]
    content = bytearray(sources[seed % 2])
    for _ in range(rng.randint(1, 60)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    result = decide(bytes(content[: rng.randint(1, len(content))]))
    assert annotated(bytes(content), result).startswith(b"PK")


def test_a_far_stray_cell_is_refused_before_it_takes_all_memory() -> None:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    page = book.add_worksheet()
    page.write(0, 0, "ФИО")
    page.write(1_048_575, 16_383, "x")
    book.close()
    with pytest.raises(UnreadableFile) as refused:
        list(read_sheets(target.getvalue()))
    assert refused.value.code == "sheet_too_large"


def test_nul_bytes_and_control_characters_inside_a_text_are_dropped() -> None:
    text = "ФИО;Дата рождения;ППО\nИва\x00нова Анна\u00ad Петровна;01.02.\x001980;Лицей № 4\n"
    (row,) = decide(text.encode("utf-8"), "a.csv").rows
    assert row.outcome == "accepted"
    assert row.person
    assert row.person.last == "Иванова"


def test_a_huge_cell_is_cut_and_the_rest_of_the_file_is_read() -> None:
    rows = [*REGISTER, ["Петров Иван Ильич", "03.03.1990", "Лицей № 4", "x" * 32_000]]
    assert [row.outcome for row in decide(xlsx(rows)).rows] == ["accepted", "accepted"]
    text = "ФИО;Дата рождения;ППО;Прим.\nИванова Анна Петровна;01.02.1980;Лицей № 4;" + "x" * 2_000_000 + "\n"
    assert [row.outcome for row in decide(text.encode("utf-8"), "a.csv").rows] == ["accepted"]


def test_a_quotation_mark_without_a_pair_does_not_swallow_the_rows_below() -> None:
    people = "".join(f'{n};Иванова{"аеиоу"[n]} Анна Петровна;0{n + 1}.02.1980;"Лицей № 4\n' for n in range(5))
    result = decide(f"№;ФИО;Дата рождения;ППО\n{people}".encode(), "a.csv")
    assert [row.outcome for row in result.rows] == ["accepted"] * 5


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "koi8-r"]
)
def test_text_is_decoded_whatever_its_encoding(encoding: str) -> None:
    text = "Фамилия;Имя;Дата рождения\nСергеева;Наталия;01.02.1980\n"
    decoded = decode(text.encode(encoding))
    assert decoded is not None
    assert decoded.lstrip("\ufeff") == text


def test_a_table_of_a_web_page_saved_as_xls_is_read() -> None:
    html = (
        "<html><meta charset=utf-8><table><tr><th>ФИО</th><th>Дата рождения</th><th>ППО</th></tr>"
        "<tr><td>Иванова Анна Петровна</td><td>01.02.1980</td><td>Лицей &#8470; 4</td></tr></table></html>"
    )
    (row,) = decide(html.encode(), "a.xls").rows
    assert (row.row, row.outcome) == (2, "accepted")


def test_what_an_office_wrote_never_becomes_a_formula_in_the_annotated_copy() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    content = xlsx([*REGISTER, ['=HYPERLINK("http://x","y")', "01.01.1980", "Лицей № 4"]])
    book = openpyxl.load_workbook(io.BytesIO(annotated(content, decide(content))))
    assert book.sheetnames == ["Итоги", "Лист1"]
    page = book["Лист1"]
    assert [cell.value for cell in page[1]] == [
        "ФИО",
        "Дата рождения",
        "ППО",
        "Итог",
        "Причина",
        "Что сделать",
    ]
    assert [cell.value for cell in page[2]][3] == "Принят"
    assert page["A3"].data_type == "s"
    assert page.freeze_panes == "A2"
    totals = {row[0]: row[1] for row in book["Итоги"].iter_rows(values_only=True)}
    assert totals["Строк с людьми"] == 2
    assert page["A2"].fill.fgColor.rgb != page["A3"].fill.fgColor.rgb


def test_a_copy_of_many_more_rows_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first rows are held, to judge by them how the sheet is laid out.
    monkeypatch.setattr("registry.importing.reading.HEAD_ROWS", 100)

    def peak(count: int) -> int:
        people = "".join(f"Иванова Анна Петровна;01.02.1980;Лицей № 4;{n}\n" for n in range(count))
        content = f"ФИО;Дата рождения;ППО;№ билета\n{people}".encode()
        told = retell("a.csv", content, SCHOOLS, AS_OF, NO_MAPPING, {})
        with (tmp_path / "copy.xlsx").open("wb") as target:
            tracemalloc.start()
            annotate(target, content, "a.csv", told)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most - len(content)

    peak(10)  # what the first copy loads, it loads once
    few, many = peak(200), peak(1_000)
    assert many < 1.5 * few, (few, many)
