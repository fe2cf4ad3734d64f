"""What the service does by itself when time passes. Each call goes on where the one before has ended."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from cashback import chain, keys, sending
from cashback.commands import expiry, participation, payouts
from cashback.config import CashbackSettings
from cashback.models import RefusedReport
from common.db import Database
from common.rounds import Errand, Round


async def chain_entries(session: AsyncSession, _now: datetime, _settings: CashbackSettings) -> None:
    """Give the journal's new entries their links."""
    while await chain.extend(session) == chain.BATCH:
        pass


async def seal_ledger(session: AsyncSession, now: datetime, settings: CashbackSettings) -> None:
    """Sign the chain's end for yesterday; days on which no worker ran are sealed with what stands now."""
    await chain.seal_until(session, keys.ledger_key(settings.ledger_key_file), now.date() - timedelta(1), now)


async def expire_cashback(session: AsyncSession, now: datetime, settings: CashbackSettings) -> None:
    """Of those who no longer take part, after the time to claim; of the others, what was not asked for in time."""
    today = now.date()
    while await expiry.expire_balances(session, today, settings.payable_days):
        pass
    after = None
    while settings.unused_days:
        _, after = await expiry.expire_unused(session, today, settings.unused_days, after)
        if after is None:
            break


async def pass_on_inheritances(session: AsyncSession, now: datetime, _settings: CashbackSettings) -> None:
    while await participation.pass_on(session, now):
        pass


async def forget_refused_reports(session: AsyncSession, now: datetime, settings: CashbackSettings) -> None:
    await session.execute(
        sa.delete(RefusedReport).where(col(RefusedReport.refused_at) < now - timedelta(settings.refused_days))
    )


async def ask_after_payouts(session: AsyncSession, now: datetime, settings: CashbackSettings) -> None:
    while await payouts.mark_unanswered(session, now, settings.bank_answer_days):
        pass


async def send_webhooks(database: Database, now: datetime, settings: CashbackSettings) -> None:
    key = keys.pairwise_key(settings.pairwise_key_file)
    after = timedelta(settings.webhook_disable_days)
    await sending.Sender(database, key, after, settings.webhook_local_targets, now).send_due()


async def forget_webhook_deliveries(session: AsyncSession, now: datetime, settings: CashbackSettings) -> None:
    await sending.forget(session, now - timedelta(settings.webhook_days))


ROUNDS = (
    Round("chain_entries", timedelta(seconds=10), chain_entries),
    Round("seal_ledger", timedelta(hours=1), seal_ledger),
    Round("pass_on_inheritances", timedelta(minutes=10), pass_on_inheritances),
    Round("ask_after_payouts", timedelta(hours=1), ask_after_payouts),
    Round("expire_cashback", timedelta(days=1), expire_cashback),
    Round("forget_webhook_deliveries", timedelta(days=1), forget_webhook_deliveries),
    Round("forget_refused_reports", timedelta(days=1), forget_refused_reports),
)

ERRANDS = (Errand("send_webhooks", timedelta(seconds=1), send_webhooks),)
