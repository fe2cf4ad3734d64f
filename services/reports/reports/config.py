"""Settings of the reports service."""

from pathlib import Path

from pydantic import Field

from common.settings import Settings


class ReportsSettings(Settings):
    report_forms_folder: Path = Path(__file__).parent / "forms"
    """Folder with the YAML files of all forms, past versions too; a union mounts its own here."""
    report_formation_days: int = Field(default=90, ge=1, le=366)
    """For how many days, from the day of a form on, its reports form by themselves and drafts follow the base."""
    public_threshold: int = Field(default=10, ge=2, le=1000)
    """A published figure below this is suppressed, with what would give it away."""
