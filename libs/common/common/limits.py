"""How often one caller may ask: a token bucket a caller, in the process that is asked.

With n processes of a service a caller gets n times as much: the limit protects the process and makes guessing
hopeless, it is no quota. Behind a proxy the caller's address is the one that the proxy forwards
(`UNION_TRUSTED_PROXIES`).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from common import telemetry
from common.auth import Principal, optional_principal
from common.errors import TooManyRequests
from common.settings import Settings

_REMEMBERED_CALLERS = 50_000
"""Beyond it the caller that was quiet for longest starts afresh."""


class Bucket:
    """`times` at once, and as many again within `seconds`, each caller for itself (GCRA: one number a caller)."""

    def __init__(self, times: int, seconds: float) -> None:
        self._step = seconds / times
        self._tolerance = seconds - self._step
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """0.0 when the caller may go on; else after how many seconds it may try again."""
        due = max(self._due.get(caller, now), now)
        if due - now > self._tolerance:
            return due - now - self._tolerance
        self._due[caller] = due + self._step
        self._due.move_to_end(caller)
        if len(self._due) > _REMEMBERED_CALLERS:
            self._due.popitem(last=False)
        return 0.0


def limited(name: str, times: int, seconds: float) -> Callable[..., Awaitable[None]]:
    """A dependency that refuses (429, `Retry-After`) who asks more than `times` within `seconds`.

    `UNION_RATE_LIMITS` changes a limit by its name: {"applications": [20, 60]}.
    """

    async def limit(request: Request, principal: Annotated[Principal | None, Depends(optional_principal)]) -> None:
        buckets: dict[str, Bucket] = request.app.state.__dict__.setdefault("buckets", {})
        bucket = buckets.get(name)
        if bucket is None:
            settings: Settings = request.app.state.settings
            bucket = buckets.setdefault(name, Bucket(*settings.rate_limits.get(name, (times, seconds))))
        address = request.client.host if request.client else "unknown"
        caller = f"subject {principal.subject}" if principal else f"address {address}"
        wait = bucket.take(caller, time.monotonic())
        if wait:
            telemetry.LIMITED.labels(name).inc()
            raise TooManyRequests(math.ceil(wait))

    return limit
