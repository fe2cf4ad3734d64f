"""A short run of `make simulate`: some months of a few members, with everything going wrong that may."""

import random

from cashback.config import CashbackSettings
from tests.extent import tries
from tests.simulation.year import simulate


async def test_all_books_agree_after_months_of_faults(settings: CashbackSettings) -> None:
    seed = random.randrange(10**6)
    settings = settings.model_copy(update={"partner_topics": ["books", "films", "sport"]})
    year = await simulate(settings, seed, members=tries(40, long=100), days=tries(60, long=200))
    print(f"seed {seed}: {dict(year.counts)} {dict(year.faults.counts)}")
    assert year.wrong == []
    assert year.counts["orders that agree"] > 0
    assert year.faults.counts["crashes within a transaction"] > 0
