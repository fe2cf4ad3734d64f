"""What the ledger's rows share: the settings, partners with campaigns, members who clicked."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg

from bench.world import Servers
from cashback import keys
from cashback.config import CashbackSettings
from cashback.ledger import Kind, Ref

PARTNERS, MEMBERS = 200, 40_000
WHEN = datetime(2025, 3, 2, 12, tzinfo=UTC)
EXPLAINED = "Кешбэк 50,00 ₽: 5,00 % от 1 000,00 ₽ по акции «Книги» (условия № 1), до копейки вниз."

LOCK = "select account_id, balance from account where account_id = any($1) order by account_id for update"
ENTRIES = """insert into journal_entry (entry_id, kind, reference, occurred_at, explained, lines)
 select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::smallint[])"""
POSTINGS = """insert into posting (entry_id, line, account_id, amount)
 select * from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[])"""
BALANCES = """update account set balance = account.balance + u.c
 from unnest($1::uuid[], $2::bigint[]) as u(a, c) where account_id = u.a"""


def settings_of(servers: Servers) -> CashbackSettings:
    files = keys.ensure(servers.folder / "keys")
    return CashbackSettings(
        database_url=servers.postgres.url("cashback"),
        jwks_url="file:///none",
        pairwise_key_file=files["UNION_PAIRWISE_KEY_FILE"],
        ledger_key_file=files["UNION_LEDGER_KEY_FILE"],
    )


async def prepare(servers: Servers) -> None:
    """Partners with a campaign, members who take part, and a click of each member at each of some partners."""
    connection = await asyncpg.connect(servers.dsn("cashback"))
    partners = [partner_of(n) for n in range(PARTNERS)]
    campaigns = [uuid.uuid5(uuid.NAMESPACE_OID, partner) for partner in partners]
    members = [uuid.uuid5(uuid.NAMESPACE_OID, f"member {n}") for n in range(MEMBERS)]
    year = (date(2025, 1, 1), date(2025, 12, 31))
    await connection.executemany(
        "insert into partner (partner, name, hold_days, landing_url) values ($1, $1, 14, 'https://x.example/')",
        [(partner,) for partner in partners],
    )
    await connection.executemany(
        "insert into campaign (campaign_id, partner, status, version) values ($1, $2, 'open', 1)",
        list(zip(campaigns, partners, strict=True)),
    )
    await connection.executemany(
        "insert into campaign_terms (campaign_id, version, title, basis_points, min_basket, rounding, from_on, to_on)"
        " values ($1, 1, 'Книги', 500, 0, 'floor', $2, $3)",
        [(campaign, *year) for campaign in campaigns],
    )
    await connection.executemany(
        "insert into participant (member_id, status, enrolled_on, version) values ($1, 'enrolled', $2, 1)",
        [(member, year[0]) for member in members],
    )
    await connection.executemany(
        "insert into participation (member_id, number, enrolled_on) values ($1, 1, $2)",
        [(member, year[0]) for member in members],
    )
    await connection.executemany(
        "insert into click (click_id, member_id, campaign_id, campaign_version, clicked_at) values ($1, $2, $3, 1, $4)",
        [(click_of(n), members[n], campaigns[n % PARTNERS], WHEN) for n in range(MEMBERS)],
    )
    await connection.close()


def partner_of(number: int) -> str:
    return f"partner-{number % PARTNERS}"


def moment_of(number: int) -> datetime:
    """Purchases of one member are on different days, so that no limit against fraud is hit."""
    return WHEN + timedelta(number // MEMBERS % 25)


def click_of(number: int) -> UUID:
    """Of a member at the partner of the same number."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"click {number % MEMBERS}")


def refs_of(number: int, partners: int) -> tuple[Ref, Ref]:
    owner = str(uuid.uuid5(uuid.NAMESPACE_OID, f"member {number % MEMBERS}"))
    return Ref(Kind.PARTNER_RECEIVABLE, partner_of(number % partners)), Ref(Kind.MEMBER_PENDING, owner)


async def make_accounts(connection: "asyncpg.Connection[asyncpg.Record]", refs: Sequence[Ref]) -> None:
    await connection.executemany(
        "insert into account (account_id, kind, owner, balance, allow_negative, allow_positive)"
        " values ($1, $2, $3, 0, true, true) on conflict do nothing",
        [(ref.account_id, ref.kind.value, ref.owner) for ref in set(refs)],
    )
