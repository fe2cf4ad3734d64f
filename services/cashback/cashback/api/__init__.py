"""The routes: authorise, call one command or query, shape the answer."""

from cashback.api import campaigns, figures, participants, purchases

ROUTERS = (campaigns.router, participants.router, purchases.router, figures.router)
