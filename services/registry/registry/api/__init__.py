"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import applications, members, offices, organisations, public, transfers

ROUTERS = [
    organisations.router,
    applications.router,
    members.router,
    transfers.router,
    offices.router,
    public.router,
]
