"""Pictures as plain SVG: no script, no foreign font, nothing fetched; 360 units wide, the width of a telephone."""

from collections.abc import Iterable
from html import escape

WIDTH = 360
INK, MUTED, GRID = "#1b2733", "#5b6773", "#d5dbe1"
BLUE, AMBER, GREY, GREEN = "#1f5f99", "#b8621b", "#8a939c", "#2c7a4b"
"""Told apart by those who see no difference of red and green too."""


def text(x: float, y: float, words: str, size: int = 12, fill: str = INK, anchor: str = "start") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{_clean(words)}</text>'
    )


def bar(x: float, y: float, width: float, height: float, fill: str, title: str = "") -> str:
    """A rectangle; its title is what a reader with a pointer or a screen reader is told."""
    told = f"<title>{_clean(title)}</title>" if title else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{fill}">{told}</rect>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{dash}/>'


def path(points: Iterable[tuple[float, float]], stroke: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{stroke}" stroke-width="2"/>'


def shortened(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def wrapped(words: str, most: int) -> list[str]:
    """Lines of at most so many letters where a word is not longer."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def picture(title: str, subtitle: str, language: str, height: float, marks: Iterable[str]) -> bytes:
    """The whole document; `marks` are placed below the heading, from y = 0 to `height`."""
    heads = wrapped(title, 44)
    under = wrapped(subtitle, 56)
    top = 14 + 18 * len(heads) + 15 * len(under)
    whole = top + height + 8
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole:g}" width="100%"',
            f' style="max-width:720px" role="img" lang="{language}"',
            ' font-family="Arial, Helvetica, sans-serif">',
            f"<title>{_clean(title)}</title><desc>{_clean(subtitle)}</desc>",
            f'<rect width="{WIDTH}" height="{whole:g}" fill="#ffffff"/>',
            *(f'<g font-weight="bold">{text(10, 22 + 18 * n, words, 15)}</g>' for n, words in enumerate(heads)),
            *(text(10, 21 + 18 * len(heads) + 15 * n, words, 11, MUTED) for n, words in enumerate(under)),
            f'<g transform="translate(0 {top:g})">',
            *marks,
            "</g></svg>\n",
        ]
    ).encode()


def _clean(words: str) -> str:
    """Letters that XML does not have, and its own signs, do no harm."""
    return escape(
        "".join(c for c in words if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    )
