"""The routes: authorise, call one command or query, shape the answer."""

from cashback.api import campaigns, figures, files, participants, payouts, purchases, statements

ROUTERS = (
    campaigns.router,
    participants.router,
    purchases.router,
    files.router,
    payouts.router,
    statements.router,
    figures.router,
)
