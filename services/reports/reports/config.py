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

    registry_url: str = "http://127.0.0.1:8001"
    cards_url: str = "http://127.0.0.1:8002"
    """Where the proof of agreement asks for counts, with the service's own token (UNION_SERVICE_TOKEN_…)."""
    agreement_settle_seconds: float = Field(default=3.0, ge=0, le=60)
    """Between the two looks at a difference: one that is gone or changed by then was on its way."""
    agreement_patience_minutes: int = Field(default=15, ge=0, le=1440)
    """A difference of a service that has not heard all yet counts as drift when it has stood for so long."""
