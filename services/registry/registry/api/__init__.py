"""The registry's routes: authorise, call one command or query, shape the answer."""

from registry.api import applications, imports, members, organisations, public, transfers

ROUTERS = [
    organisations.router,
    applications.router,
    members.router,
    transfers.router,
    imports.router,
    public.router,
]
