"""The cards service: `python -m cards.main api|worker|migrate|topics`."""

from pathlib import Path

from fastapi import FastAPI

from cards import api, api_plastic, consumers, face, models, qr
from cards.config import CardsSettings
from common.app import Service
from common.main import run


def prepare(app: FastAPI, settings: CardsSettings) -> None:
    qr.prepare(app, settings)
    face.prepare(app, settings)


service = Service(
    name="cards",
    title="Cards: electronic union cards, plastic and virtual",
    settings=CardsSettings,
    routers=[api.router, api_plastic.router, api.public],
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=prepare,
)

if __name__ == "__main__":
    run(service)
