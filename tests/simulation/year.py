"""A year of the programme with everything going wrong that may; at its end all books must agree to the kopeck."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cashback import audit, chain, keys
from cashback.commands import bank, campaigns, files, participation, payouts, purchases, reconciliations
from cashback.commands.reports import Report
from cashback.config import CashbackSettings
from cashback.consumers import subscriptions
from cashback.main import service
from cashback.policy import policy_of
from cashback.schemas.purchases import ReportLine
from common import checked_files
from common.auth import Principal, Role
from common.db import Database
from common.errors import BusinessError
from common.events.base import Event
from common.events.cards import CardIssued
from common.events.partners import PURCHASE_REPORTS, OrderLineReported
from common.events.registry import MemberAdmitted, MemberLeft
from common.parking import Record
from common.processing import Processor
from common.rounds import run_round
from common.testing import record_of
from tests.simulation.bank import Bank
from tests.simulation.faults import Faults, Killed
from tests.simulation.partners import HOLD_DAYS, Message, Shop, Sold, noon, shops

START = date(2025, 1, 1)
MINIMUM, FOUR_EYES_LIMIT, TAX_FREE = 10_000, 50_000, 400_000
FOR_GOOD = {"campaign_budget_spent"}
BATCH = 200


@dataclass
class Person:
    member_id: UUID
    joins_on: date
    leaves_on: date | None
    enrolled: bool = False


@dataclass
class Year:
    """One run. `days` of play, then everything that is on its way arrives and all books are compared."""

    database: Database
    settings: CashbackSettings
    faults: Faults
    members: int
    days: int
    shops: list[Shop] = field(default_factory=shops)
    counts: Counter[str] = field(default_factory=Counter)
    arriving: dict[date, list[Record]] = field(default_factory=dict)
    files_late: dict[date, list[tuple[Shop, date, bytes, str, list[Message]]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.policy = policy_of(self.settings)
        self.bank = Bank(self.faults.dice)

    @property
    def dice(self) -> Any:
        return self.faults.dice

    async def play(self) -> list[str]:
        """What does not agree at the end: a sentence each."""
        self.processors = {s.topic.name: Processor(s, self.database) for s in subscriptions(self.settings)}
        end = START + timedelta(self.days)
        await self.open(end)
        people = [self.person(end) for _ in range(self.members)]
        self.faults.watch(self.database)
        for day in (START + timedelta(n) for n in range(self.days)):
            await self.a_day(day, people)
            if day.day == 1:
                print(f"{day}: {self.counts['clicks']} clicks, {self.counts['messages']} messages", flush=True)
        self.faults.armed = False
        day = end
        while await self.under_way():
            if day > end + timedelta(400):
                unheard = [(shop.code, list(shop.unheard)[:5], list(shop.diary)[:5]) for shop in self.shops]
                self.wrong.append(f"still unheard after all this time: {unheard}")
                break
            await self.a_day(day, [])
            day += timedelta(1)
        await self.rounds(day + timedelta(1))
        await self.compare()
        return self.wrong

    async def under_way(self) -> bool:
        """Whether something is still to arrive, to be told or to be answered."""
        if self.arriving or self.files_late or any(shop.diary or shop.unheard for shop in self.shops):
            return True
        open_payouts = "select payout_id from payout where status in ('requested', 'approved')"
        return bool(self.bank.diary or await self.rows_of(open_payouts))

    # --- crashes -----------------------------------------------------------------------------------------------

    async def surely(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do `work` in a transaction; a process that dies is started again, also when its answer was lost."""
        while True:
            try:
                async with self.database.sessions.begin() as session:
                    done = await work(session)
            except Killed:
                continue
            if self.faults.chance(0.01, "crashes after the commit"):
                continue
            return done

    async def deliver(self, records: list[Record]) -> None:
        """As Kafka does: a batch whose offset was not committed comes again."""
        processor = self.processors[records[0].topic]
        while True:
            try:
                await processor.process(records)
            except Killed:
                continue
            if self.faults.chance(0.05, "batches delivered again"):
                continue
            self.counts["records delivered"] += len(records)
            return

    # --- the world ---------------------------------------------------------------------------------------------

    async def open(self, end: date) -> None:
        now = at(START)
        for shop in self.shops:
            async with self.database.sessions.begin() as session:
                await campaigns.add_partner(session, shop.code, shop.code, HOLD_DAYS, "https://x.example/")
                await campaigns.set_file_key(session, shop.code, shop.public_key)
                campaign, _ = await campaigns.add_campaign(
                    session, shop.code, shop.terms(START, end), shop.budget, now
                )
                shop.campaign_id = campaign.campaign_id

    def person(self, end: date) -> Person:
        """A member with a card; one in ten leaves in the course of the year."""
        member_id, organisation_id = uuid.uuid4(), uuid.uuid4()
        joins_on = START + timedelta(self.dice.randint(0, max(1, self.days // 3)))
        leaves = joins_on + timedelta(self.dice.randint(5, self.days)) if self.dice.random() < 0.1 else None
        state = {
            "member_id": member_id,
            "organisation_id": organisation_id,
            "category": "working",
            "sex": "female",
            "birth_year": 1980,
            "joined_on": joins_on,
        }
        self.send(
            joins_on,
            MemberAdmitted(
                version=1,
                effective_on=joins_on,
                status="member",
                left_on=None,
                consents=["bonus"],
                origin="import",
                **state,
            ),
        )
        self.send(
            joins_on,
            CardIssued(
                version=1,
                effective_on=joins_on,
                card_id=uuid.uuid4(),
                member_id=member_id,
                form="virtual",
                status="active",
                reason=None,
                expires_on=date(2030, 1, 1),
            ),
        )
        if leaves and leaves < end:
            self.send(
                leaves,
                MemberLeft(version=2, effective_on=leaves, status="left", left_on=leaves, consents=[], **state),
            )
        return Person(member_id, joins_on, leaves)

    def send(self, day: date, event: Event, topic: str | None = None) -> None:
        """Put an event on its way: it may come late, twice, or after what was sent later."""
        record = record_of(event)
        if topic is not None:
            record = Record(topic, 0, 0, record.raw_key, record.payload, record.headers)
        for _ in range(2 if self.faults.chance(0.05, "records sent twice") else 1):
            self.arriving.setdefault(day + timedelta(self.faults.days_late()), []).append(record)

    async def arrive(self, day: date) -> None:
        records = self.arriving.pop(day, [])
        self.dice.shuffle(records)
        by_topic: dict[str, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        for same in by_topic.values():
            for first in range(0, len(same), BATCH):
                await self.deliver(same[first : first + BATCH])

    async def a_day(self, day: date, people: list[Person]) -> None:
        await self.arrive(day)
        asking = []
        for person in people:
            if person.joins_on <= day and (person.leaves_on is None or day < person.leaves_on):
                await self.live(person, day)
                if person.enrolled and self.dice.random() < 0.03:
                    asking.append(person)
        await self.pay_out(asking, day)
        for shop in self.shops:
            messages = shop.today(day)
            if shop.way != "file":
                self.dice.shuffle(messages)
            for message in messages:
                await self.tell(shop, message, day)
            await self.arrive(day)
            await self.nightly_file(shop, day)
        for item in self.files_late.pop(day, []):
            await self.take_file(*item, day)
        await self.bank_day(day)
        await self.rounds(day)

    async def live(self, person: Person, day: date) -> None:
        if not person.enrolled:
            if self.dice.random() < 0.5:
                await self.enrol(person, day)
            return
        if self.dice.random() < 0.012:
            shop, moment = self.dice.choice(self.shops), noon(day, self.dice)
            assert shop.campaign_id is not None
            campaign_id = shop.campaign_id
            click, _ = await self.surely(
                lambda session: participation.record_click(session, person.member_id, campaign_id, moment, moment)
            )
            self.counts["clicks"] += 1
            shop.sell(click.click_id, moment + timedelta(minutes=20), self.dice)

    async def enrol(self, person: Person, day: date) -> None:
        try:
            await self.surely(
                lambda session: participation.enrol_participant(session, person.member_id, day, at(day))
            )
        except BusinessError as refusal:
            # Enrolled by an attempt whose answer was lost, or the news of the membership is still on its way.
            person.enrolled = refusal.code == "already_enrolled"
            self.counts["enrolments refused"] += not person.enrolled
        else:
            person.enrolled = True
        self.counts["enrolled"] += person.enrolled

    async def pay_out(self, asking: list[Person], day: date) -> None:
        """Each asks for all that it has, if that is enough."""
        statement = sa.text(
            "select owner, balance from account where kind = 'member_available' and owner = any(:owners)"
        )
        owners = [str(person.member_id) for person in asking]
        async with self.database.sessions() as session:
            armed, self.faults.armed = self.faults.armed, False
            found = (await session.execute(statement, {"owners": owners})).all()
            self.faults.armed = armed
        balances: dict[str, int] = {row.owner: row.balance for row in found}
        for person in asking:
            amount = balances.get(str(person.member_id), 0)
            if amount < MINIMUM:
                continue
            # Once, for an answer that was lost is asked for by the kernel's idempotency key, which is not played here.
            async with self.database.sessions.begin() as session:
                armed, self.faults.armed = self.faults.armed, False
                await payouts.request_payout(
                    session, person.member_id, amount, day, MINIMUM, 365, TAX_FREE, at(day)
                )
            self.faults.armed = armed
            self.counts["payouts requested"] += 1

    # --- the bank ----------------------------------------------------------------------------------------------

    async def bank_day(self, day: date) -> None:
        """Staff approves what was asked for, a file goes out, and the answers that are due come in."""
        for payout_id in await self.select("select payout_id from payout where status = 'requested' order by 1"):
            await self.decided(payout_id, self.dice.choice(["first", "second", "third"]), day)
        await self.perhaps(lambda session: bank.send_payouts(session, day, "staff", at(day)))
        sent = (
            "select file_number, bank_reference, amount from payout where status in ('sent', 'unknown') order by 2"
        )
        for row in await self.rows_of(sent):
            self.bank.take(row.file_number, row.bank_reference, row.amount, day)
        for _, content in self.bank.today(day):
            for _ in range(2 if self.faults.chance(0.1, "bank answers sent twice") else 1):
                await self.answered(bank.read_answer(content), day)
                self.counts["bank answers"] += 1

    async def answered(self, answer: bank.Answer, day: date) -> None:
        await self.surely(lambda session: bank.take_answer(session, answer, "staff", at(day)))

    async def decided(self, payout_id: UUID, who: str, day: date) -> None:
        staff = Principal(who, frozenset({Role.FEDERAL_STAFF}))
        if self.dice.random() < 0.03:
            await self.perhaps(lambda session: payouts.decline_payout(session, payout_id, "x", at(day)))
            return
        await self.perhaps(
            lambda session: payouts.approve_payout(session, payout_id, staff, FOUR_EYES_LIMIT, at(day))
        )

    async def perhaps(self, work: Callable[[Any], Awaitable[Any]]) -> None:
        """What was done by an attempt whose answer was lost is refused the second time."""
        try:
            await self.surely(work)
        except BusinessError as refusal:
            self.counts[f"refused: {refusal.code}"] += 1

    async def rows_of(self, statement: str) -> Any:
        armed, self.faults.armed = self.faults.armed, False
        async with self.database.sessions() as session:
            rows = (await session.execute(sa.text(statement))).all()
        self.faults.armed = armed
        return rows

    async def select(self, statement: str) -> list[Any]:
        return [row[0] for row in await self.rows_of(statement)]

    # --- what partners tell ------------------------------------------------------------------------------------

    async def tell(self, shop: Shop, message: Message, day: date) -> None:
        self.counts["messages"] += 1
        if shop.way == "topic":
            event = OrderLineReported.model_validate(
                {"effective_on": day, **message, "version": int(message["version"])}
            )
            self.send(day, event, PURCHASE_REPORTS.of(shop.code).name)
        elif shop.way == "api":
            for _ in range(2 if self.faults.chance(0.05, "requests sent twice") else 1):
                if not self.faults.chance(0.05, "requests lost"):
                    await self.call(shop, message, day)

    async def call(self, shop: Shop, message: Message, day: date) -> None:
        report = Report(shop.code, **ReportLine.model_validate(message).model_dump())
        try:
            await self.surely(lambda s: purchases.report_purchase(s, report, self.policy, at(day, 23)))
        except BusinessError as refusal:
            self.refused(shop, message["order"], refusal.code)
        else:
            shop.heard(message)

    def refused(self, shop: Shop, order: str, code: str) -> None:
        self.counts[f"refused: {code}"] += 1
        if code in FOR_GOOD:
            shop.give_up(order)

    async def nightly_file(self, shop: Shop, day: date) -> None:
        content, signature, messages = shop.file()
        if not messages:
            return
        self.counts["files"] += 1
        late = self.faults.days_late()
        if late:
            self.files_late.setdefault(day + timedelta(late), []).append((shop, day, content, signature, messages))
            return
        for _ in range(2 if self.faults.chance(0.1, "files sent twice") else 1):
            await self.take_file(shop, day, content, signature, messages, day)

    async def take_file(
        self, shop: Shop, of: date, content: bytes, signature: str, messages: list[Message], day: date
    ) -> None:
        taken, is_new = await self.surely(
            lambda s: files.take_file(s, shop.code, of, 1, content, signature, self.policy, at(day, 23))
        )
        self.counts["lines of files"] += taken.lines if is_new else 0
        async with self.database.sessions() as session:
            armed, self.faults.armed = self.faults.armed, False
            statement = sa.text(
                "select order_number, event, version, code from refused_report"
                " where partner = :partner and source = 'file' and refused_at = :at"
            )
            rows = (await session.execute(statement, {"partner": shop.code, "at": taken.received_at})).all()
            self.faults.armed = armed
        refused = {tuple(row[:3]): row.code for row in rows}
        for message in messages:
            code = refused.get(Shop.key_of(message))
            if code is None:
                if message["what"] == "reported":
                    shop.taken_after_all(message["order"], day)
                shop.heard(message)
            elif is_new:
                self.refused(shop, message["order"], code)

    async def rounds(self, day: date) -> None:
        for a_round in service.rounds:
            while True:
                try:
                    await run_round(self.database, self.settings, a_round, at(day, 23))
                    break
                except Killed:
                    continue

    # --- the end -----------------------------------------------------------------------------------------------

    async def compare(self) -> None:
        async with self.database.sessions() as session:
            books = await audit.verify(session)
            if not books.sound:
                self.wrong.append(f"the books are not sound: {books}")
            trusted = [keys.ledger_key(self.settings.ledger_key_file).public_key()]
            links = await chain.verify_chain(session, trusted)
            if links.findings or links.waiting:
                self.wrong.append(f"the chain: {links}")
            parked = await session.scalar(sa.text("select count(*) from parked_record"))
            if parked:
                self.wrong.append(f"{parked} records are parked")
            for shop in self.shops:
                await self.compare_shop(session, shop)
            rows = await session.execute(
                sa.text("select kind, cast(sum(balance) as bigint) from account group by kind")
            )
            balances: dict[str, int] = dict(rows.all())
            if balances.get("bank", 0) != self.bank.paid:
                self.wrong.append(f"the bank paid {self.bank.paid}, the ledger says {balances.get('bank', 0)}")
            ours = await session.execute(
                sa.text("select bank_reference, status, amount from payout where file_number is not null")
            )
            for row in ours:
                theirs = self.bank.outcomes.get(row.bank_reference), self.bank.amounts.get(row.bank_reference)
                if theirs != (row.status, row.amount):
                    self.wrong.append(f"{row.bank_reference}: ours {row.status} {row.amount}, the bank's {theirs}")
                self.counts[f"payouts {row.status}"] += 1
        self.counts |= {"entries": books.entries, "postings": books.postings, "checkpoints": links.checkpoints}

    async def compare_shop(self, session: Any, shop: Shop) -> None:
        """The shop's books against ours, line by line and in sum."""
        statement = sa.text("select order_number, status, amount, cashback from purchase where partner = :partner")
        ours = {row.order_number: row for row in await session.execute(statement, {"partner": shop.code})}
        theirs = {order: one for order, one in shop.sold.items() if one.earns}
        if set(ours) != set(theirs):
            self.wrong.append(f"{shop.code}: {len(set(ours) ^ set(theirs))} orders are known to one side only")
        for order in set(ours) & set(theirs):
            row, one = ours[order], theirs[order]
            if (row.status, row.amount) != (one.status, one.left):
                self.wrong.append(f"{order}: ours {row.status} {row.amount}, theirs {one.status} {one.left}")
            elif shop.exact and row.cashback != shop.owes(one):
                self.wrong.append(f"{order}: our cashback {row.cashback}, theirs {shop.owes(one)}")
        owed = sum(shop.owes(one) for one in theirs.values())
        receivable = "select -balance from account where kind = 'partner_receivable' and owner = :owner"
        receivable_now = await session.scalar(sa.text(receivable), {"owner": shop.code}) or 0
        if receivable_now != (owed if shop.exact else sum(row.cashback for row in ours.values())):
            self.wrong.append(f"{shop.code}: we claim {receivable_now}, they owe {owed}")
        if shop.exact:
            await self.reconcile(session, shop, theirs)
        self.counts[f"kopecks owed by {shop.code}"] = receivable_now
        self.counts["orders that agree"] += len(set(ours) & set(theirs))

    async def reconcile(self, session: Any, shop: Shop, theirs: dict[str, Sold]) -> None:
        """The shop's own file of the year, with its control totals, finds nothing that differs."""
        sold = list(theirs.values())
        lines = [
            ["R", o.order, "1", o.day.isoformat(), o.status, str(o.left), str(shop.owes(o)), "", ""] for o in sold
        ]
        header = [shop.code, START.isoformat(), (START + timedelta(self.days - 1)).isoformat()]
        totals = [sum(o.left for o in sold), sum(shop.owes(o) for o in sold)]
        content, _ = checked_files.written(reconciliations.VERSION, header, lines, totals)
        books = reconciliations.read_books(content)
        row, _ = await reconciliations.compare(session, books, shop.code, at(START))
        count = "select outcome, count(*) from reconciliation_item where reconciliation_id = :id group by 1"
        found = dict((await session.execute(sa.text(count), {"id": row.reconciliation_id})).all())
        if found != ({"matched": len(sold)} if sold else {}):
            self.wrong.append(f"{shop.code}: its file and ours: {found}")
        self.counts["lines of partners' year files that match"] += found.get("matched", 0)


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), UTC)


async def simulate(settings: CashbackSettings, seed: int, members: int, days: int) -> Year:
    """Play on the (empty, migrated) database of `settings`; the year's `wrong` tells what does not agree."""
    database = Database.connect(settings)
    try:
        year = Year(database, settings, Faults(seed), members, days)
        await year.play()
        return year
    finally:
        await asyncio.shield(database.close())
