"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import (
    applications,
    approvals,
    counts,
    duplicates,
    history,
    imports,
    members,
    operations,
    organisations,
    privacy,
    public,
    statistics,
    transfers,
)

ROUTERS = [
    organisations.router,
    operations.router,
    counts.router,
    applications.router,
    members.router,
    history.router,
    transfers.router,
    imports.router,
    duplicates.router,
    approvals.router,
    privacy.router,
    public.router,
    statistics.router,
]
