"""Delimited text: which encoding, which delimiter, which quoting; its records one by one."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

_DELIMITERS = ";,\t|"
_OTHER_DELIMITERS = ":^~!#*/\\"
_SAMPLE_LINES = 60
_SAMPLE_BYTES = 200_000
_LONGEST_FIELD = 1 << 24

csv.field_size_limit(_LONGEST_FIELD)


class TooLongField(Exception):
    """A field of the text is longer than any that is read."""


def decode(content: bytes) -> str | None:
    """The whole text of the bytes; None for what is no text."""
    encoding = encoding_of(content)
    return content.decode(encoding, errors="replace").replace("\x00", "") if encoding else None


def encoding_of(content: bytes) -> str | None:
    """By the byte-order mark, else UTF-8 if the bytes are valid, else the likeliest Cyrillic code page.

    None for what is no text: too many control characters, or nothing that any code page makes words of.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif _high_bytes(content[1:2000:2]) > 0.9:
        encoding = "utf-16-le"
    elif _high_bytes(content[0:2000:2]) > 0.9:
        encoding = "utf-16-be"
    else:
        encoding = _eight_bits(content)
    sample = content[:40_000].decode(encoding, errors="replace")[:20_000]
    odd = sum(1 for ch in sample if (ch < " " and ch not in "\t\r\n\x00") or ch == "\ufffd")
    words = sum(1 for ch in sample if ch.isalnum() or ch in ' ;,\t\r\n|.-"')
    if odd > max(2, len(sample) // 200) or words < len(sample) * 0.6:
        return None
    return encoding


def _high_bytes(half: bytes) -> float:
    """The share of bytes that are the upper halves of Latin (0) and Cyrillic (4) letters in UTF-16."""
    return (half.count(0) + half.count(4)) / max(1, len(half))


def _eight_bits(content: bytes) -> str:
    wrong = _wrong_utf8(content)
    # a few damaged bytes in a UTF-8 file must not turn all of it into another code page
    high = sum(1 for byte in content[:_SAMPLE_BYTES] if byte > 127)
    if wrong == 0 or wrong * 20 < high // 2:
        return "utf-8-sig"
    head = content[:_SAMPLE_BYTES]
    return max(("cp1251", "cp866", "koi8-r"), key=lambda page: _russian_score(head.decode(page, errors="replace")))


def _wrong_utf8(content: bytes) -> int:
    """0 when the bytes are UTF-8 to the end, else how many places of the beginning are not."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(content), 1 << 20):
            decoder.decode(content[at : at + (1 << 20)], final=at + (1 << 20) >= len(content))
    except UnicodeDecodeError:
        return max(1, content[:_SAMPLE_BYTES].decode("utf-8", errors="replace").count("\ufffd"))
    return 0


def _russian_score(text: str) -> float:
    sample = [ch for ch in text[:20_000] if ch > "\x7f"]
    frequent = sum(ch in "оеаинтсрвлОЕАИНТСРВЛ" for ch in sample)
    # in a wrong code page the small letters come out as capitals or as frames
    mixed = len(re.findall(r"[а-яё][А-ЯЁ]", text[:20_000]))
    return (frequent - mixed) / max(1, len(sample))


def open_rows(content: bytes, encoding: str) -> Iterator[list[str]]:
    """The records of the text, blank ones too, by the delimiter that splits the first lines most evenly.

    Quotation marks that do not pair (« ППО "Школа ») are taken as letters, so that one of them cannot swallow the rest
    of the file. Raises TooLongField for a field of more than 16 million characters, and nothing else.
    """
    head = content[: _SAMPLE_BYTES * 2].decode(encoding, errors="replace")
    declared = re.match(r"\s*sep=(.)\r?\n", head)
    delimiter = declared[1] if declared else sniff_delimiter(head)
    plain = _swallows(content, encoding, delimiter)
    try:
        yield from _records(content, encoding, delimiter, plain=plain)
    except csv.Error as error:
        raise TooLongField from error


def _swallows(content: bytes, encoding: str, delimiter: str) -> bool:
    """True when a quotation mark without a pair takes whole lines into one field."""
    if b'"' not in content:
        return False
    try:
        return any(
            "\n" in cell and cell.count(delimiter) > 1
            for row in _records(content, encoding, delimiter, plain=False)
            for cell in row
        )
    except csv.Error:
        return True


def _records(content: bytes, encoding: str, delimiter: str, *, plain: bool) -> Iterator[list[str]]:
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, errors="replace", newline="")
    clean = (line.replace("\x00", "") if "\x00" in line else line for line in lines)
    if plain:
        return csv.reader(clean, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(clean, delimiter=delimiter)


def sniff_delimiter(text: str) -> str:
    """The delimiter of the text; «;» when nothing splits it."""
    sample = [line for line in text[:_SAMPLE_BYTES].splitlines() if line.strip()][:_SAMPLE_LINES]
    return _most_even(sample, _DELIMITERS) or _most_even(sample, _OTHER_DELIMITERS) or ";"


def _most_even(lines: list[str], delimiters: str) -> str | None:
    best, best_score = None, 0.0
    for delimiter in delimiters:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows)
        width, times = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(0, 0))
        # rare delimiters must split nearly every line: «/» and «:» stand in texts too
        if width > 1 and (delimiter in _DELIMITERS or (width > 2 and times * 5 > len(rows) * 4)):
            # cells left out at a line's end make the right delimiter uneven, commas in addresses the wrong one even
            near = sum(count for other, count in widths.items() if other > 1 and width - 3 <= other <= width)
            score = near / len(rows) + min(width, 30) / 30
            # between two quoted fields stands nothing but the delimiter
            score += sum(f'"{delimiter}"' in line for line in lines) / len(lines)
            if score > best_score:
                best, best_score = delimiter, score
    return best
