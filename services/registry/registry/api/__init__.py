"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import (
    applications,
    approvals,
    duplicates,
    history,
    members,
    organisations,
    privacy,
    public,
    statistics,
    transfers,
)

ROUTERS = [
    organisations.router,
    applications.router,
    members.router,
    history.router,
    transfers.router,
    duplicates.router,
    approvals.router,
    privacy.router,
    public.router,
    statistics.router,
]
