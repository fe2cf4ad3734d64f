"""Settings of the registry service."""

from pydantic import Field

from common.settings import Settings


class RegistrySettings(Settings):
    transfer_days: int = Field(default=30, ge=1, le=365)
    """How long the receiving organisation has to accept a released member."""
    mass_members: int = Field(default=500, ge=0)
    """An operation that takes more members than this to another place needs a second person's approval."""
    mass_organisations: int = Field(default=20, ge=0)
    """So does one that takes more organisations."""
