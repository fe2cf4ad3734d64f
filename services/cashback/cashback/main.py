"""The cashback service: `python -m cashback.main api|worker|migrate|topics`."""

from pathlib import Path

from cashback import api, consumers, keys, models, rounds
from cashback.config import CashbackSettings
from common.app import Service
from common.main import run

service = Service(
    name="cashback",
    title="Cashback: the bonus programme PROFCARDS on a double-entry ledger",
    settings=CashbackSettings,
    routers=api.ROUTERS,
    subscriptions=consumers.subscriptions,
    metadata=models.Table.metadata,
    migrations=Path(__file__).parent.parent / "migrations",
    prepare=keys.prepare,
    rounds=rounds.ROUNDS,
)

if __name__ == "__main__":
    run(service)
