"""The outcome of an import as one JSON-ready document."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from registry.importing.outcomes import FileResult, RowOutcome


def build_report(results: Iterable[FileResult]) -> dict[str, Any]:
    """`files.{name}.rows[{sheet, row, outcome, reason, of}]` with `data_rows`, and `totals` by outcome
    and reason.

    No personal data is in it. A refused file has `refusal: {code, message}` and no rows.
    """
    files: dict[str, Any] = {}
    totals: Counter[str] = Counter({"accepted": 0, "rejected": 0, "duplicate": 0})
    for result in results:
        entry: dict[str, Any] = {"rows": [_row(row) for row in result.rows], "data_rows": len(result.rows)}
        if result.refusal:
            entry["refusal"] = {"code": result.refusal.code, "message": result.refusal.message_ru}
            totals["files_refused"] += 1
        files[result.name] = entry
        for row in result.rows:
            totals[row.outcome] += 1
            if row.reason:
                totals[row.reason] += 1
    totals["files"] = len(files)
    return {"files": files, "totals": dict(sorted(totals.items()))}


def _row(row: RowOutcome) -> dict[str, Any]:
    return {
        "sheet": row.sheet,
        "row": row.row,
        "outcome": row.outcome,
        "reason": row.reason,
        "of": [row.of.file, row.of.sheet, row.of.row] if row.of else None,
        "of_person": row.of_person,
    }
