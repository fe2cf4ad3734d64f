"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import applications, history, members, organisations, public, sync, transfers

ROUTERS = [
    organisations.router,
    applications.router,
    members.router,
    history.router,
    transfers.router,
    public.router,
    sync.router,
]
