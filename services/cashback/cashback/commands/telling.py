"""What a partner is told of its own purchases: on its own topic, and at the addresses that it named."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import keys
from cashback.models import Purchase
from common.db import fetch
from common.events.cashback import TO_PARTNER, PartnerPurchaseChanged
from common.outbox import publish

_HEAR = "select distinct partner from webhook where partner = any($1::text[])"
# A disabled address misses nothing: what waits for it goes out when it is enabled again.
_DELIVER = """
    insert into webhook_delivery (delivery_id, webhook_id, event_type, content, state, attempts, due_at, made_at)
    select uuidv7(), w.webhook_id, $1, u.content, 'waiting', 0, $4, $4
    from unnest($2::text[], $3::bytea[]) with ordinality as u(partner, content, n)
    join webhook w using (partner) order by u.n
"""


def as_told(purchase: Purchase, pairwise_key: bytes, day: object) -> PartnerPurchaseChanged:
    """The purchase as its partner may know it, as it stands now; `day` is that of the change."""
    fields = {"purchase_id", "line", "click_id", "campaign_id", "status", "amount", "cashback", "version"}
    return PartnerPurchaseChanged.model_validate(
        {
            **purchase.model_dump(include=fields),
            "order": purchase.order_number,
            "buyer": keys.pseudonym(pairwise_key, purchase.partner, purchase.member_id),
            "held": purchase.review == "waiting" and purchase.status == "pending",
            "effective_on": day,
        }
    )


async def tell_partners(
    session: AsyncSession, told: Sequence[tuple[str, PartnerPurchaseChanged]], now: datetime
) -> None:
    """Each event to its partner and to nobody else; they go out if and only if the transaction commits."""
    for partner, event in told:
        publish(session, event, topic=TO_PARTNER.of(partner))
    if not told:
        return
    await session.flush()
    hear = {row["partner"] for row in await fetch(session, _HEAR, sorted({partner for partner, _ in told}))}
    heard = [(partner, event) for partner, event in told if partner in hear]
    if not heard:
        return
    contents = [
        orjson.dumps({"type": event.event_type, "timestamp": now, "data": event.model_dump(mode="json")})
        for _, event in heard
    ]
    partners = [partner for partner, _ in heard]
    await fetch(session, _DELIVER, PartnerPurchaseChanged.event_type, partners, contents, now)
