"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import applications, counts, history, members, operations, organisations, public, transfers

ROUTERS = [
    organisations.router,
    operations.router,
    counts.router,
    applications.router,
    members.router,
    history.router,
    transfers.router,
    public.router,
]
