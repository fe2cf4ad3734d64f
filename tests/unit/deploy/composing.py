"""docker-compose from its wheel, and what an operator tells it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
SERVICES = ("registry", "cards", "cashback", "reports")
SECRETS = (
    "UNION_POSTGRES_PASSWORD",
    *(f"UNION_{service.upper()}_DB_PASSWORD" for service in SERVICES),
)
KEY_FILES = (
    "UNION_CARD_SIGNING_KEY_FILE",
    "UNION_CARD_NUMBER_KEY_FILE",
    "UNION_PAIRWISE_KEY_FILE",
    "UNION_LEDGER_KEY_FILE",
    "UNION_ERASURE_KEY_FILE",
)


def run_compose(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    # An empty file of settings, so that a developer's own .env has no say.
    return subprocess.run(
        [BIN / "docker-compose", "--env-file", os.devnull, "--file", ROOT / "docker-compose.yml", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
