"""What a partner is told of its own purchases: on its own topic, and at the addresses that it named."""

from collections.abc import Sequence
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from cashback import keys
from cashback.models import Purchase
from common.events.cashback import TO_PARTNER, PartnerPurchaseChanged
from common.outbox import publish

_HEARS = sa.text("select exists (select from webhook where partner = :partner)")
# A disabled address misses nothing: what waits for it goes out when it is enabled again.
_DELIVER = sa.text(
    """
    insert into webhook_delivery (delivery_id, webhook_id, event_type, content, state, attempts, due_at, made_at)
    select uuidv7(), w.webhook_id, :event_type, u.content, 'waiting', 0, :now, :now
    from webhook w cross join unnest(:contents) with ordinality as u(content, n)
    where w.partner = :partner order by u.n
    """
).bindparams(sa.bindparam("contents", type_=sa.ARRAY(sa.LargeBinary)))


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


async def tell_partner(
    session: AsyncSession, partner: str, told: Sequence[PartnerPurchaseChanged], now: datetime
) -> None:
    """Nobody but this partner hears it; it goes out if and only if the transaction commits."""
    if not told:
        return
    topic = TO_PARTNER.of(partner)
    for event in told:
        publish(session, event, topic=topic)
    connection = await session.connection()
    if not (await connection.execute(_HEARS, {"partner": partner})).scalar_one():
        return
    contents = [
        orjson.dumps({"type": event.event_type, "timestamp": now, "data": event.model_dump(mode="json")})
        for event in told
    ]
    await connection.execute(
        _DELIVER, {"partner": partner, "event_type": told[0].event_type, "contents": contents, "now": now}
    )
