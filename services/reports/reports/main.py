"""The reports service: `python -m reports.main api|worker|migrate|topics`."""

from datetime import timedelta
from pathlib import Path

from common.app import Service
from common.main import run
from common.rounds import Round
from reports import (
    api,
    api_agreement,
    api_filing,
    api_insight,
    api_printing,
    archives,
    consumers,
    rebuilding,
    records,
    tallies,
)
from reports.agreement import comparing
from reports.commands import forming
from reports.config import ReportsSettings

service = Service(
    name="reports",
    title="Reports: statistics that make themselves",
    settings=ReportsSettings,
    routers=[api.router, api_filing.router, api_insight.router, api_printing.router, api_agreement.router],
    subscriptions=consumers.subscriptions,
    metadata=records.Report.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=api.prepare,
    derived=rebuilding.DERIVED,
    jobs=[archives.job, comparing.job],
    rounds=[
        Round("tallies", timedelta(milliseconds=500), tallies.add_up),
        Round("formation", timedelta(minutes=10), forming.form_by_themselves),
        Round("agreement", timedelta(minutes=5), comparing.run, tell=comparing.tell),
    ],
)

if __name__ == "__main__":
    run(service)
