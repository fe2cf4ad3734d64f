"""Settings of the reports service."""

from pathlib import Path

from common.settings import Settings


class ReportsSettings(Settings):
    report_forms_folder: Path = Path(__file__).parent / "forms"
    """Folder with the YAML files of all forms, past versions too; a union mounts its own here."""
