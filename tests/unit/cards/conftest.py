"""A card and the keys that sign it, without a database."""

from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from cards import keys
from cards.keys import SigningKey
from cards.models import Card, Member

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    folder = Path(keys.ensure(tmp_path_factory.mktemp("keys"))["UNION_CARD_SIGNING_KEY_FILE"])
    return SigningKey.load(folder / "first.pem")


@pytest.fixture
def card() -> Card:
    return Card(
        card_id=UUID(int=1),
        member_id=UUID(int=2),
        member_version=1,
        form="virtual",
        status="active",
        number="9000000000000001",
        reference=bytes(range(16)),
        status_index=70_001,
        expires_on=date(2031, 4, 1),
        created_at=NOW,
    )


@pytest.fixture
def member() -> Member:
    return Member(
        member_id=UUID(int=2), organisation_id=UUID(int=3), status="member", consents=["cards"], version=1
    )
