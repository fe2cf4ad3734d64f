"""`make simulate SEED=…`: a simulated year on a real database; the same seed plays the same year."""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

import structlog

from cashback import keys
from cashback.config import CashbackSettings
from cashback.main import service
from common import migrate
from local_stack.ports import free_port
from local_stack.postgres import Postgres
from tests.memory import memory
from tests.simulation.year import simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="of all chances; drawn if left out")
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    arguments = parser.parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"seed {seed}: {arguments.members} members, {arguments.days} days", flush=True)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="union-simulation-", dir=memory(), ignore_cleanup_errors=True) as name:
        server = Postgres(Path(name), free_port(), durable=False)
        server.start()
        try:
            server.ensure_databases(["cashback"])
            migrate.upgrade(service, server.url("cashback"))
            files = keys.ensure(Path(name) / "keys")
            settings = CashbackSettings(
                database_url=server.url("cashback"),
                jwks_url="file:///none",
                pairwise_key_file=files["UNION_PAIRWISE_KEY_FILE"],
                ledger_key_file=files["UNION_LEDGER_KEY_FILE"],
                partner_topics=["books", "films", "sport"],
            )
            year = asyncio.run(simulate(settings, seed, arguments.members, arguments.days))
        finally:
            server.stop()
    for title, counts in (("what happened", year.counts), ("what went wrong on purpose", year.faults.counts)):
        print(f"\n{title}")
        for what, count in sorted(counts.items()):
            print(f"  {count:>12,}  {what}")
    print(f"\nseed {seed}, {time.perf_counter() - begun:.0f} s: ", end="")
    print("all books agree to the kopeck" if not year.wrong else f"{len(year.wrong)} DIFFERENCES")
    for sentence in year.wrong[:50]:
        print(f"  {sentence}")
    sys.exit(1 if year.wrong else 0)


if __name__ == "__main__":
    main()
