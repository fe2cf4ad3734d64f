"""Metrics of the cards service."""

from prometheus_client import Counter

CARDS_ISSUED = Counter("cards_issued", "Virtual cards made and plastic cards produced", ["form"])
