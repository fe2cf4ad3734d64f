"""Settings of the registry service."""

from pydantic import Field

from common.settings import Settings


class RegistrySettings(Settings):
    transfer_days: int = Field(default=30, ge=1, le=365)
    """How long the receiving organisation has to accept a released member."""
