"""Documents to print: a Typst template beside the code, and data. PDF, or SVG with the letters as outlines.

Fonts are those within the library: the same picture on every machine, and no call to anywhere.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

PDF, SVG = "application/pdf", "image/svg+xml"

_FORMATS: dict[str, Literal["pdf", "svg"]] = {PDF: "pdf", SVG: "svg"}


async def render(template: Path, data: Mapping[str, Any], media_type: str = PDF) -> bytes:
    """One document; an SVG is of the first page. The template reads `json(bytes(sys.inputs.data))`.

    In a thread: a page takes about 13 ms, a book of 1,000 pages some seconds.
    """
    return await asyncio.to_thread(_compile, template, data, media_type)


def _compile(template: Path, data: Mapping[str, Any], media_type: str) -> bytes:
    import typst  # 84 MB of code that most processes never need

    compiler = typst.Compiler(template, root=template.parent, ignore_system_fonts=True)
    made: bytes | Sequence[bytes] | None = compiler.compile(
        format=_FORMATS[media_type],
        sys_inputs={"data": json.dumps(data, ensure_ascii=False, default=str)},
        # A fixed one: equal data make equal bytes.
        timestamp=datetime(2000, 1, 1, tzinfo=UTC),
    )
    assert made is not None
    return made if isinstance(made, bytes) else made[0]
