"""Settings of the registry service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class RegistrySettings(Settings):
    transfer_days: int = Field(default=30, ge=1, le=365)
    """How long the receiving organisation has to accept a released member."""

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
