"""A partner's daily file: CSV, signed with the partner's Ed25519 key, with control totals in its last line.

    what,order,line,version,click_id,amount,basket,purchased_at,effective_on
    reported,A-1,1,1,5d0e…,100000,,2021-03-02T10:00:00+03:00,
    confirmed,A-1,1,1,,,,,2021-04-01
    total,2,100000

The last line counts the lines before it and sums their amounts in kopecks.
"""

import base64
import binascii
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cashback.commands.intake import take_reports
from cashback.commands.reports import Report, Source, Told
from cashback.errors import FileKeyMissing, FileSignatureWrong, FileTakenOtherwise, FileUnreadable
from cashback.models import Partner, PurchaseFile, RefusedReport
from cashback.policy import Policy
from cashback.schemas.purchases import ReportLine
from common.errors import NotFound

COLUMNS = tuple(ReportLine.model_fields)
MOST_LINES = 20_000
_BATCH = 1000


def read_file(content: bytes, partner: str) -> list[Report]:
    """The reports of a partner's file. Raises FileUnreadable with the number of the line that is wrong."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileUnreadable(1, "the file is not CSV in UTF-8") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise FileUnreadable(1, f"the columns are {','.join(COLUMNS)}")
    *lines, last = rows[1:] or [[]]
    if len(lines) > MOST_LINES:
        raise FileUnreadable(
            MOST_LINES + 2, f"a file has at most {MOST_LINES} lines; send the rest as another part"
        )
    reports = []
    for number, row in enumerate(lines, 2):
        if len(row) != len(COLUMNS):
            raise FileUnreadable(number, f"{len(COLUMNS)} values are needed")
        try:
            line = ReportLine.model_validate(
                {name: value for name, value in zip(COLUMNS, row, strict=True) if value}
            )
        except ValidationError as error:
            wrong = ", ".join(str(item["loc"][0]) for item in error.errors(include_input=False) if item["loc"])
            raise FileUnreadable(number, f"wrong: {wrong or 'the line'}") from None
        reports.append(Report(partner, **line.model_dump()))
    expected = ["total", str(len(reports)), str(sum(report.amount or 0 for report in reports))]
    if last != expected:
        raise FileUnreadable(len(rows), f"the control totals of these lines are {','.join(expected)}")
    return reports


def check_signature(partner: Partner, content: bytes, signature: str) -> None:
    """Raises FileSignatureWrong unless `signature` (base64) is the partner's over the file's SHA-256."""
    if partner.file_key is None:
        raise FileKeyMissing
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(partner.file_key))
    try:
        key.verify(base64.b64decode(signature, validate=True), hashlib.sha256(content).digest())
    except (InvalidSignature, binascii.Error, ValueError):
        raise FileSignatureWrong from None


async def take_file(
    session: AsyncSession,
    partner: str,
    day: date,
    part: int,
    content: bytes,
    signature: str,
    policy: Policy,
    now: datetime,
) -> tuple[PurchaseFile, bool]:
    """Take a signed file, once; returns what came of it, and False when it was taken before."""
    shop = await session.get(Partner, partner, with_for_update={"key_share": True})
    if shop is None:
        raise NotFound("partner", partner)
    check_signature(shop, content, signature)
    digest = hashlib.sha256(content).digest()
    before = await session.get(PurchaseFile, (partner, day, part))
    if before is not None:
        if before.sha256 != digest:
            raise FileTakenOtherwise(day, part)
        return before, False
    told = []
    reports = read_file(content, partner)
    for start in range(0, len(reports), _BATCH):
        batch = reports[start : start + _BATCH]
        told += await take_reports(session, batch, "file", policy, now)
    keep_refusals(session, "file", told, now)
    counts = Counter("refused" if one.refusal else "repeated" if one.repeated else "taken" for one in told)
    row = PurchaseFile(
        partner=partner,
        day=day,
        part=part,
        sha256=digest,
        lines=len(told),
        taken=counts["taken"],
        repeated=counts["repeated"],
        refused=counts["refused"],
        received_at=now,
    )
    session.add(row)
    return row, True


def keep_refusals(session: AsyncSession, source: Source, told: Sequence[Told], now: datetime) -> None:
    """What nobody is there to be answered about is written down for the partner to read."""
    session.add_all(
        RefusedReport(
            refused_id=uuid7(),
            partner=one.report.partner,
            order_number=one.report.order,
            line=one.report.line,
            event=one.report.what,
            version=one.report.version,
            source=source,
            code=one.refusal.code,
            detail=one.refusal.detail,
            refused_at=now,
        )
        for one in told
        if one.refusal is not None
    )
