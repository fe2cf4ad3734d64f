"""Settings of the registry service."""

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
