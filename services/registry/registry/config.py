"""Settings of the registry service."""

from pydantic import Field

from common.settings import Settings


class RegistrySettings(Settings):
    transfer_days: int = Field(default=30, ge=1, le=365)
    """How long the receiving organisation has to accept a released member."""
    sync_days: int = Field(default=90, ge=1, le=3650)
    """How long a phone may stay away and still get changes alone; after that it loads everything anew."""
