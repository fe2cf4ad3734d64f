"""The cards service: `python -m cards.main api|worker|migrate|topics`."""

from pathlib import Path

from cards import api, consumers, models, qr
from cards.config import CardsSettings
from common.app import Service
from common.main import run

service = Service(
    name="cards",
    title="Cards: electronic union cards, plastic and virtual",
    settings=CardsSettings,
    routers=[api.router, api.public],
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=qr.prepare,
)

if __name__ == "__main__":
    run(service)
