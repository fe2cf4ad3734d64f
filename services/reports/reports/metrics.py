"""Metrics of the reports service beyond the kernel's."""

from prometheus_client import Gauge, Histogram

FORMATION_SECONDS = Histogram(
    "report_formation_seconds",
    "Time of one statement that forms the reports of a run",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)

DRIFT = Gauge(
    "reports_agreement_drift_organisations",
    "Organisations whose active members registry, cards and reports count differently, with nothing on its way",
)
WAITING = Gauge(
    "reports_agreement_waiting_organisations",
    "Organisations that are counted differently while events about them may be on their way",
)
LAST_COMPARISON = Gauge(
    "reports_agreement_last_timestamp_seconds", "When registry, cards and reports were last compared; 0: never"
)
