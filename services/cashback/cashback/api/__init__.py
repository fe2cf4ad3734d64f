"""The routes: authorise, call one command or query, shape the answer."""

from cashback.api import (
    campaigns,
    figures,
    files,
    participants,
    payouts,
    purchases,
    reconciliations,
    reviews,
    statements,
    webhooks,
)

ROUTERS = (
    campaigns.router,
    participants.router,
    purchases.router,
    files.router,
    payouts.router,
    statements.router,
    reviews.router,
    reconciliations.router,
    webhooks.router,
    figures.router,
)
