"""The reports service: `python -m reports.main api|worker|migrate|topics`."""

from pathlib import Path

from common.app import Service
from common.main import run
from reports import api, consumers, models
from reports.config import ReportsSettings

service = Service(
    name="reports",
    title="Reports: statistics that make themselves",
    settings=ReportsSettings,
    routers=[api.router],
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=api.prepare,
)

if __name__ == "__main__":
    run(service)
