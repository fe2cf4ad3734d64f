"""The routes: authorise, call one command or query, shape the answer."""

from cashback.api import campaigns, figures, files, participants, purchases

ROUTERS = (campaigns.router, participants.router, purchases.router, files.router, figures.router)
