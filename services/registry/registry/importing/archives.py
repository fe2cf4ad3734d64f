"""Zipped workbooks looked at before they are opened: bombs, passwords, stray cells far away."""

import functools
import io
import re
import zipfile

from registry.importing.refusals import UnreadableFile, corrupt, protected, too_large

MAX_COLUMNS = 2_000
# The reader of workbooks keeps a sheet as one rectangle, some 60 bytes a cell: a stray cell in the far corner would
# take all memory. A register of half a million people with fifteen columns is within it.
MAX_CELLS = 8_000_000
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
_ROW_NUMBER = re.compile(rb'<(?:x:)?row [^>]*?\br="(\d+)"')
_FAR_COLUMN = re.compile(rb'\br="([A-Z]{3}|[B-Z][A-Z])\d+"')
_SHEET_XML = re.compile(r"xl/worksheets/[^/]+\.xml$")


def check_archive(content: bytes) -> None:
    """Refuses archive bombs and sheets with a far stray cell before the workbook reader takes memory for
    them."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES or len(members) > 10_000:
                raise too_large()
            if any(member.flag_bits & 1 for member in members) or _ods_encrypted(archive):
                raise protected()
            unpacked = 0
            for member in members:
                if _SHEET_XML.match(member.filename):
                    unpacked += _check_extent(archive, member)
                elif member.filename in ("content.xml", "xl/sharedStrings.xml"):
                    unpacked += _true_size(archive, member)
                if unpacked > MAX_UNPACKED_BYTES:
                    raise too_large()
    except UnreadableFile:
        raise
    # zipfile answers broken input with many classes of its own and of the decompressors
    except Exception as error:
        raise corrupt() from error


def _ods_encrypted(archive: zipfile.ZipFile) -> bool:
    try:
        with archive.open("META-INF/manifest.xml") as manifest:
            return b"encryption-data" in manifest.read(1 << 20)
    except KeyError:
        return False


def _true_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """How much a member unpacks to, whatever its own header says."""
    size = 0
    with archive.open(member) as stream:
        while (chunk := stream.read(1 << 20)) and size <= MAX_UNPACKED_BYTES:
            size += len(chunk)
    return size


def _check_extent(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    rows = size = 0
    columns = 1
    tail = b""
    with archive.open(member) as stream:
        while chunk := stream.read(1 << 20):
            size += len(chunk)
            if size > MAX_UNPACKED_BYTES:
                raise too_large()
            window = tail + chunk
            last = window.rfind(b"<row ")
            if last >= 0 and (match := _ROW_NUMBER.match(window, last)):
                rows = max(rows, int(match[1]))
            for letters in set(_FAR_COLUMN.findall(window)):
                columns = max(columns, functools.reduce(lambda n, ch: n * 26 + ch - 64, letters, 0))
            tail = window[-200:]
    if columns > MAX_COLUMNS or (columns > 52 and rows * columns > MAX_CELLS):
        raise too_large()
    return size
