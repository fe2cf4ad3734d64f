"""The registry service: `python -m registry.main api|worker|migrate|topics`."""

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from common.app import Service
from common.consumers import Subscription
from common.main import run
from common.rounds import Round
from registry.api import ROUTERS
from registry.api.imports import LARGEST_UPLOAD, UPLOAD
from registry.commands import import_jobs
from registry.commands.deadlines import watch_applications, watch_transfers
from registry.commands.operations.asking import carry_out_due
from registry.commands.sync_forget import forget_sync
from registry.config import RegistrySettings
from registry.models import Table
from registry.queries.powers import powers_today
from registry.rounds import PERSONAL_DATA_ROUNDS


async def carry_out_operations(session: AsyncSession, now: datetime, _settings: RegistrySettings) -> None:
    """Operations on the tree whose day has come."""
    await carry_out_due(session, now)


def subscriptions(_settings: RegistrySettings) -> list[Subscription]:
    """The registry owns what it knows: it follows no one's events."""
    return []


service = Service(
    name="registry",
    title="Registry: organisations, members, joining",
    settings=RegistrySettings,
    routers=ROUTERS,
    subscriptions=subscriptions,
    metadata=Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    large_bodies={UPLOAD: LARGEST_UPLOAD},
    jobs=import_jobs.JOBS,
    rounds=[
        Round("organisation_operations", timedelta(minutes=1), carry_out_operations),
        Round("application_deadlines", timedelta(minutes=5), watch_applications),
        Round("transfer_deadlines", timedelta(minutes=5), watch_transfers),
        Round("forget_sync", timedelta(days=1), forget_sync),
        *PERSONAL_DATA_ROUNDS,
    ],
    powers=powers_today,
)

if __name__ == "__main__":
    run(service)
