"""Which services the contracts are held for."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cards.keys
import cashback.keys
import registry.keys
from common.app import Service
from tests.kernel import toy
from union.platform import services

PUBLISHED: tuple[Service, ...] = tuple(services())
"""Those with a committed document in docs/openapi."""

TRIED: tuple[Service, ...] = (toy.service, *PUBLISHED)
"""Those whose APIs are tried with generated requests."""

KEYS: Mapping[str, Callable[[Path], Mapping[str, str]]] = {
    "registry": registry.keys.ensure,
    "cards": cards.keys.ensure,
    "cashback": cashback.keys.ensure,
}
"""Per service that needs key files: makes them in a folder; returns the environment that names them."""
