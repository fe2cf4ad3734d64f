"""Cards: issuing, signing, verifying, drawing and listing, each beside what bounds it."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import cbor2
import zxingcpp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench import relay
from bench.kernel import settings_of
from bench.measure import Report, Row, Turns, measure
from bench.part import Part, Run
from bench.world import Servers, execute, member_messages
from cards import keys, qr, status_list
from cards.config import CardsSettings
from cards.consumers import subscriptions
from cards.cose import code
from cards.keys import SigningKey
from cards.main import service
from cards.models import Card, Member
from common import migrate
from common.consumers import Subscription
from common.db import Database
from common.events.registry import MEMBER_EVENTS, MEMBERS
from common.projections import Projection
from common.settings import Settings
from common.streams import Streams
from common.telemetry import CONSUMED
from common.testing import eventually
from common.topics import provision
from union_card_verifier import KeySet, StatusList, verify
from union_card_verifier.cose import CTI, ESP256, EXP, STATUS_INDEX, TIER

CARDS, REVOKED_SHARE = 1_316_573, 0.05
MOST_BYTES, MOST_SECONDS = 60_000, 2.0
_SECONDS = 0.5
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

_groups = itertools.count()


async def rows(run: Run) -> list[Row]:
    """Measure the wanted rows."""
    measured: list[Row] = []
    if "issuing" in run.wanted:
        measured.append(await _issuing(run.servers, settings_of(run.servers), run.turns, run.tell))
    key = SigningKey.of(keys.new_private(ESP256))
    card = _card()
    text = qr.text(card, key)
    if "signing" in run.wanted:
        measured.append(await _signing(key, card, run.turns, run.tell))
    if "verification" in run.wanted:
        measured.append(await _verification(key, text, run.turns, run.tell))
    if "qr" in run.wanted:
        measured.append(await _drawing(text, run.turns, run.tell))
    if "status-list" in run.wanted:
        measured += await _listing(key, run.turns, run.tell)
    return measured


async def _issuing(servers: Servers, settings: Settings, turns: Turns, report: Report, count: int = 20_000) -> Row:
    """Admissions with a consent: read and upserted with a card for each, beside read and upserted alone."""
    url = servers.postgres.url("cards")
    environment = keys.ensure(servers.folder / "keys")
    files = {name.removeprefix("UNION_").lower(): Path(value) for name, value in environment.items()}
    mine = CardsSettings(
        database_url=url,
        kafka_bootstrap=settings.kafka_bootstrap,
        kafka_idempotent=False,
        jwks_url="file:///none",
        **files,  # type: ignore[arg-type]
    )
    await asyncio.to_thread(migrate.upgrade, service, url)
    servers.broker.restart()
    await provision(mine, [MEMBERS])
    messages = member_messages(count, count, consents=["cards", "membership"])
    await relay.bare_producer_rate(mine, messages)
    dsn = servers.dsn("cards")

    async def issued() -> float:
        _, members = subscriptions(mine)
        return await _consumed_rate(mine, dsn, members, count)

    async def upserted() -> float:
        members = Subscription("cards", MEMBERS)
        members.projects(Projection(Member, key="member_id"), *MEMBER_EVENTS)
        return await _consumed_rate(mine, dsn, members, count)

    return await measure(
        "cards issued", "events/s", ours=issued, limit=upserted, turns=turns, aim=0.5, report=report
    )


async def _consumed_rate(settings: Settings, dsn: str, subscription: Subscription, count: int) -> float:
    """Events a second from the assignment of the partitions until `count` are committed, by a group of their own."""
    # Steps are never deleted: a trigger refuses it to everybody but a benchmark.
    off, on = (f"alter table card_step {what} trigger user" for what in ("disable", "enable"))
    await execute(dsn, off, "truncate member, inbox, outbox, card, card_step cascade", on)
    subscription.consumer = f"bench-cards-{next(_groups)}"
    database = Database.connect(settings)
    streams = Streams("bench", [subscription], database, settings)
    await streams.start()

    async def assigned() -> bool:
        return streams.assigned

    async def finished() -> bool:
        samples = (sample for metric in CONSUMED.collect() for sample in metric.samples)
        mine = (s for s in samples if s.name.endswith("_total") and s.labels["consumer"] == subscription.consumer)
        return sum(sample.value for sample in mine) >= count

    await eventually(assigned, interval=0.002)
    begun = time.perf_counter()
    await eventually(finished, timeout=120, interval=0.01)
    seconds = time.perf_counter() - begun
    await streams.stop()
    await database.close()
    return count / seconds


def _rate(work: Callable[[], object]) -> float:
    """Times a second of processor time, so that a busy machine does not count."""
    work()
    done, begun = 0, time.process_time()
    while time.process_time() - begun < _SECONDS:
        for _ in range(20):
            work()
        done += 20
    return done / (time.process_time() - begun)


async def _compared(
    name: str,
    unit: str,
    ours: Callable[[], object],
    limit: Callable[[], object],
    aim: float,
    turns: Turns,
    report: Report,
) -> Row:
    async def our_rate() -> float:
        return _rate(ours)

    async def limit_rate() -> float:
        return _rate(limit)

    return await measure(name, unit, ours=our_rate, limit=limit_rate, turns=turns, aim=aim, report=report)


def _card() -> Card:
    return Card(
        card_id=UUID(int=1),
        member_id=UUID(int=2),
        member_version=1,
        form="plastic",
        status="active",
        number="9000000000000001",
        reference=os.urandom(16),
        status_index=700_001,
        expires_on=date(2031, 4, 1),
        created_at=_NOW,
    )


async def _signing(key: SigningKey, card: Card, turns: Turns, report: Report) -> Row:
    """A card's claims as a COSE_Sign1 message, as `qr.text` makes it, beside one P-256 signature."""
    private, message = key.private, os.urandom(64)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    claims = {EXP: 1_932_768_000, CTI: card.reference, STATUS_INDEX: card.status_index, TIER: 0}
    return await _compared(
        "codes signed",
        "signatures/s",
        lambda: code(cbor2.dumps(claims), key),
        lambda: private.sign(message, ec.ECDSA(hashes.SHA256())),
        0.8,
        turns,
        report,
    )


async def _verification(key: SigningKey, text: str, turns: Turns, report: Report) -> Row:
    """From the text of the code to green, beside one P-256 verification."""
    private, message = key.private, os.urandom(64)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signature, public = private.sign(message, ec.ECDSA(hashes.SHA256())), private.public_key()
    trusted = KeySet.read(key.jwks())
    listed = StatusList.read(status_list.signed(bytes(CARDS // 4 + 1), key, 3600, _NOW), trusted)
    assert verify(text, trusted, _NOW, listed).colour == "green"
    return await _compared(
        "codes verified offline",
        "codes/s",
        lambda: verify(text, trusted, _NOW, listed),
        lambda: public.verify(signature, message, ec.ECDSA(hashes.SHA256())),
        0.6,
        turns,
        report,
    )


async def _drawing(text: str, turns: Turns, report: Report) -> Row:
    """The SVG of a code, beside zxing-cpp's own."""
    kind = zxingcpp.BarcodeFormat.QRCode
    return await _compared(
        "QR pictures",
        "SVG/s",
        lambda: qr.svg(text),
        lambda: zxingcpp.create_barcode(text, kind, ec_level="M").to_svg(),
        1.0,
        turns,
        report,
    )


async def _listing(key: SigningKey, turns: Turns, report: Report) -> list[Row]:
    """The list of as many cards as the union had, a twentieth revoked: built and signed in time, and small."""
    revoked = random.Random(7).sample(range(CARDS), round(CARDS * REVOKED_SHARE))

    def built() -> bytes:
        return status_list.signed(status_list.build(CARDS - 1, ((i, 1) for i in revoked)), key, 3600, _NOW)

    async def build_rate() -> float:
        begun = time.perf_counter()
        built()
        return 1 / (time.perf_counter() - begun)

    async def allowed() -> float:
        return 1 / MOST_SECONDS

    async def room() -> float:
        return 1e6 / len(built())

    async def asked() -> float:
        return 1e6 / MOST_BYTES

    return [
        await measure(
            "status list built", "lists/s", ours=build_rate, limit=allowed, turns=turns, aim=1.0, report=report
        ),
        await measure(
            "status list small", "lists/MB", ours=room, limit=asked, turns=turns, aim=1.0, report=report
        ),
    ]


PART = Part("cards", ("issuing", "signing", "verification", "qr", "status-list"), rows, databases=("cards",))
