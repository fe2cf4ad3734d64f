"""The cashback service: `python -m cashback.main api|worker|migrate|topics`."""

from pathlib import Path

from fastapi import FastAPI

from cashback import api, consumers, keys, models, queries, rounds
from cashback.api import purchases
from cashback.config import CashbackSettings
from cashback.policy import policy_of
from common.app import Service
from common.main import run
from common.persons import Persons


def prepare(app: FastAPI, settings: CashbackSettings) -> None:
    keys.prepare(app, settings)
    purchases.prepare(app, policy_of(settings))
    app.state.persons = Persons.at(settings.registry_url)


service = Service(
    name="cashback",
    title="Cashback: the bonus programme PROFCARDS on a double-entry ledger",
    settings=CashbackSettings,
    routers=api.ROUTERS,
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=prepare,
    partners=queries.partner_codes,
    rounds=rounds.ROUNDS,
    errands=rounds.ERRANDS,
)

if __name__ == "__main__":
    run(service)
