"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import (
    applications,
    approvals,
    counts,
    duplicates,
    history,
    imports,
    members,
    offices,
    operations,
    organisations,
    privacy,
    public,
    statistics,
    sync,
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
    offices.router,
    imports.router,
    duplicates.router,
    approvals.router,
    privacy.router,
    public.router,
    statistics.router,
    sync.router,
]
