"""Settings of the registry service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class RegistrySettings(Settings):
    transfer_days: int = Field(default=30, ge=1, le=365)
    """How long the receiving organisation may take; then the organisation above both decides."""
    decision_days: int = Field(default=30, ge=1, le=365)
    """How long a committee may take over an application; then the organisation above is asked."""
    reminder_days: int = Field(default=5, ge=0, le=365)
    """How long before its deadline an application is marked in the queue."""
    escalation_days: int = Field(default=10, ge=1, le=365)
    """How long each organisation above may take, before the next one is asked."""
    office_years: int = Field(default=5, ge=1, le=10)
    """The longest term of an elected office."""
    backdating_days: int | None = Field(default=None, ge=0)
    """How far back `effective_on` may lie, for all but federal and regional staff; absent: as far as the rules let."""

    approval_days: int = Field(default=14, ge=1, le=365)
    """How long a request waits for its second person."""
    merge_undo_days: int = Field(default=90, ge=1, le=3650)
    """How long a merge can be undone; then the copy kept for it is removed."""
    applicant_days: int = Field(default=30, ge=1, le=3650)
    """How long a declined or withdrawn applicant's personal data stay."""
    access_log_years: int = Field(default=5, ge=3, le=50)
    """How long it is known who read whose data; the database itself refuses less than three."""

    reading_limit: int = Field(default=10_000, ge=1)
    """Persons shown to one caller within a clock hour, beyond which it is an alarm. A pocket's snapshot is 5,000."""
    reading_habit_times: int = Field(default=10, ge=2, le=1000)
    """How many times one's own mean hour is an alarm."""
    reading_habit_least: int = Field(default=200, ge=1)
    """So few persons in an hour are never against the habit."""

    erasure_key_file: Path | None = None
    """32 random bytes that key the hashes of erased persons and seal the journal. Without it nothing is erased."""
    mass_members: int = Field(default=500, ge=0)
    """An operation that takes more members than this to another place needs a second person's approval."""
    mass_organisations: int = Field(default=20, ge=0)
    """So does one that takes more organisations."""

    sync_days: int = Field(default=90, ge=1, le=3650)
    """How long a phone may stay away and still get changes alone; after that it loads everything anew."""
