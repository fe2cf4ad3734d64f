"""What the registry's worker does by itself for personal data."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from common import telemetry
from common.rounds import Round
from registry.commands.deciding import end_what_waited_too_long
from registry.commands.duplicates import examine_new_people
from registry.commands.erasure import forget_applicants
from registry.commands.exposure import forget_accesses, watch_reading
from registry.commands.merging import forget_kept_copies
from registry.config import RegistrySettings


async def keep_no_longer(session: AsyncSession, now: datetime, settings: RegistrySettings) -> None:
    """Personal data whose time is over go: of applicants, of merges that can no longer be undone, of the log."""
    forgotten = await forget_applicants(session, settings.applicant_days, now)
    if forgotten:
        telemetry.log().info("applicants_forgotten", count=forgotten)
    await forget_kept_copies(session, now)
    await forget_accesses(session, settings.access_log_years, now)


PERSONAL_DATA_ROUNDS = (
    Round("examine_new_people", every=timedelta(seconds=5), run=examine_new_people),
    Round("end_approvals", every=timedelta(minutes=1), run=end_what_waited_too_long),
    Round("watch_reading", every=timedelta(minutes=1), run=watch_reading),
    Round("keep_no_longer", every=timedelta(hours=1), run=keep_no_longer),
)
