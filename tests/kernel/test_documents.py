"""Printed documents: from a template and data, the same every time, with nothing of the data taken for markup."""

from pathlib import Path

from common.documents import PDF, SVG, render

TEMPLATE = """
#let data = json(bytes(sys.inputs.data))
#set page(width: 85.6mm, height: 54mm)
#data.name
"""


async def test_a_document_is_the_same_for_the_same_data(tmp_path: Path) -> None:
    template = tmp_path / "card.typ"
    template.write_text(TEMPLATE)
    first, second = [await render(template, {"name": "Мария Ёлкина"}) for _ in range(2)]
    assert first == second
    assert first.startswith(b"%PDF-")
    assert await render(template, {"name": "Другая"}) != first


async def test_a_picture_has_the_size_of_the_page_and_no_address(tmp_path: Path) -> None:
    template = tmp_path / "card.typ"
    template.write_text(TEMPLATE)
    picture = (await render(template, {"name": "Мария"}, SVG)).decode()
    assert picture.startswith("<svg")
    assert "85.6" in picture or "242.6" in picture  # millimetres or points
    assert picture.count("http") == picture.count("http://www.w3.org/")


async def test_data_are_never_markup(tmp_path: Path) -> None:
    template = tmp_path / "card.typ"
    template.write_text(TEMPLATE)
    (tmp_path / "secret.txt").write_text("secret")
    nasty = '#read("secret.txt") $ * _ @preview "quotes" \\ <label>'
    assert (await render(template, {"name": nasty}, PDF)).startswith(b"%PDF-")
