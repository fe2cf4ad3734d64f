"""The cards service: `python -m cards.main api|worker|migrate|topics`."""

from pathlib import Path

from cards import api, api_devices, api_public, consumers, models, qr, rounds
from cards.config import CardsSettings
from common.app import Service
from common.main import run

service = Service(
    name="cards",
    title="Cards: electronic union cards, plastic and virtual",
    settings=CardsSettings,
    routers=[api.router, api_devices.router, api_public.router],
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=qr.prepare,
    rounds=rounds.ROUNDS,
)

if __name__ == "__main__":
    run(service)
