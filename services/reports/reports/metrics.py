"""Metrics of the reports service beyond the kernel's."""

from prometheus_client import Histogram

FORMATION_SECONDS = Histogram(
    "report_formation_seconds",
    "Time of one statement that forms the reports of a run",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
