"""The metrics catalogue: every figure the services publish, named once, with what it says.

Names follow Prometheus' rules: base units, `_total` for counters. Labels have few values;
no label holds a ticket number, a text or a person.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Metric


class SetGauge(Gauge):
    """A gauge without labels that is absent, not 0, where nobody has set it."""

    _is_set = False

    def set(self, value: float) -> None:
        """Set the value; from now on the gauge is exported."""
        self._is_set = True
        super().set(value)

    def collect(self) -> Iterable[Metric]:
        """The gauge, or nothing."""
        return super().collect() if self._is_set else []


FAST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
JOURNEY_SECONDS: Final = (0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 1800)

HTTP_REQUESTS: Final = Counter(
    "hotline_http_requests_total",
    "Answered HTTP requests, by route template and status.",
    ["service", "method", "route", "status"],
)
HTTP_SECONDS: Final = Histogram(
    "hotline_http_request_seconds",
    "Time from a request's first byte to its answer.",
    ["service", "method", "route"],
    buckets=FAST_SECONDS,
)

OUTBOX_ROWS: Final = Gauge(
    "hotline_outbox_rows", "Events committed but not yet on the bus.", ["service"]
)
OUTBOX_AGE_SECONDS: Final = Gauge(
    "hotline_outbox_oldest_seconds", "Age of the oldest event not yet on the bus.", ["service"]
)
RELAYED: Final = Counter(
    "hotline_events_published_total", "Events handed to the bus.", ["service", "topic"]
)
BUS_UP: Final = Gauge("hotline_bus_up", "1 while the service reaches the bus.", ["service"])
DATABASE_UP: Final = Gauge(
    "hotline_database_up", "1 while the service's database takes writes.", ["service"]
)

CONSUMER_LAG: Final = Gauge(
    "hotline_consumer_lag_records",
    "Records on a topic that a consumer group has not committed.",
    ["consumer", "topic"],
)
CONSUMER_RUNNING: Final = Gauge(
    "hotline_consumer_running", "1 while this process reads for the group.", ["consumer"]
)
HANDLED: Final = Counter(
    "hotline_messages_handled_total", "Messages whose effects are stored.", ["consumer", "type"]
)
HANDLE_SECONDS: Final = Histogram(
    "hotline_batch_seconds",
    "Time of one consumer transaction, whatever its size.",
    ["consumer"],
    buckets=FAST_SECONDS,
)
RETRIES: Final = Counter(
    "hotline_batch_retries_total", "Batches rolled back to be tried again.", ["consumer"]
)
DEAD_LETTERS: Final = Counter(
    "hotline_dead_letters_total", "Messages parked as unhandled, by reason.", ["consumer", "reason"]
)
PARKED: Final = Gauge(
    "hotline_dead_letters_waiting", "Parked messages waiting to be replayed.", ["service"]
)
PARKED_AGE_SECONDS: Final = Gauge(
    "hotline_dead_letters_oldest_seconds", "Age of the oldest parked message.", ["service"]
)

TICKETS_RECEIVED: Final = Counter(
    "hotline_tickets_received_total", "Tickets accepted, by channel and kind.", ["channel", "kind"]
)
TICKETS_BY_STATUS: Final = Gauge(
    "hotline_tickets", "Tickets that are not closed, by where they stand.", ["status"]
)
GROUP_COMMIT: Final = Histogram(
    "hotline_group_commit_tickets",
    "Tickets stored by one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
CALLBACKS: Final = Counter(
    "hotline_callbacks_total",
    "Call-backs by the unit that had the case, and answer; `unreached` counts in no rate.",
    ["unit", "solved", "satisfaction"],
)
CALLER_READS: Final = Counter(
    "hotline_caller_reads_total", "Requests for a caller's contact.", ["role", "granted"]
)

CLASSIFIED: Final = Counter(
    "hotline_classifications_total",
    "Classified tickets by category, what decided, and whether a person must.",
    ["category", "decided_by", "abstained"],
)
MODEL_CORRECTED: Final = Counter(
    "hotline_model_corrected_total",
    "Tickets a person judged, by the category the model saw and whether its leaf was right.",
    ["category", "agreed"],
)
PROBABILITY: Final = Histogram(
    "hotline_classification_probability",
    "Calibrated probability of the chosen leaf.",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
)

REVIEWS_WAITING: Final = SetGauge(
    "hotline_reviews_waiting", "Tickets that wait for a person to classify them."
)
MODEL_IN_USE: Final = Gauge(
    "hotline_model_in_use",
    "1 for the model this process has in each role: active decides, shadow judges beside it.",
    ["role", "version"],
)
MODEL_UNAVAILABLE: Final = Gauge(
    "hotline_model_unavailable",
    "1 where this process could not read the model chosen for a role and goes on without it.",
    ["role"],
)
GUESSED_RECENTLY: Final = Gauge(
    "hotline_guessed_tickets",
    "Tickets the model judged within the window, by the category it saw.",
    ["window", "category"],
)
ABSTAINED_SHARE: Final = Gauge(
    "hotline_abstained_share",
    "Share of the window's tickets the model left to a person; NaN without tickets.",
    ["window"],
)
MEAN_PROBABILITY: Final = Gauge(
    "hotline_mean_probability",
    "Mean probability of the window's guesses; NaN without tickets.",
    ["window"],
)
SHADOW_AGREEMENT: Final = Gauge(
    "hotline_shadow_agreement_share",
    "Share of seven days' tickets on which shadow and active model agree; NaN without tickets.",
    ["on"],
)
SHADOW_SKIPPED: Final = Counter(
    "hotline_shadow_skipped_total",
    "Tickets the shadow model did not judge, being too far behind or not to be read.",
)

ROUTED: Final = Counter(
    "hotline_routed_total",
    "Tickets by what the router did and how sure the place was.",
    ["disposition", "certainty", "priority"],
)
SUBMISSION_TO_QUEUE_SECONDS: Final = Histogram(
    "hotline_submission_to_queue_seconds",
    "Time from accepting a ticket to its place in a queue.",
    buckets=JOURNEY_SECONDS,
)
CASE_COMMANDS: Final = Counter(
    "hotline_case_commands_total", "Commands on cases by result.", ["command", "result"]
)
WHISTLE_COMMANDS: Final = Counter(
    "hotline_whistle_commands_total", "Commands on whistles by result.", ["command", "result"]
)
WHISTLES_OPEN: Final = Gauge(
    "hotline_whistles", "Open whistles by kind and state.", ["kind", "state"]
)
STREET_TICKETS: Final = Gauge(
    "hotline_street_tickets",
    "Tickets of the last 30 days by the street of their place.",
    ["street"],
)
STREET_WHISTLES: Final = Gauge(
    "hotline_street_whistles", "Whistles of the last 30 days that a street has signed.", ["street"]
)
INCIDENT_CLUSTERS: Final = Counter(
    "hotline_incident_clusters_total",
    "Events that have become clusters of tickets.",
    ["street", "leaf"],
)
CASES_OPEN: Final = Gauge("hotline_cases", "Cases by state.", ["state"])
QUEUE_OPEN: Final = Gauge("hotline_queue_open", "Open tickets in a unit's queue.", ["unit"])
WEBHOOK_DELIVERIES: Final = Counter(
    "hotline_webhook_tries_total",
    "Tries to tell a unit's receiver, by where they left the delivery.",
    ["unit", "state"],
)
WEBHOOK_OPEN: Final = Gauge(
    "hotline_webhook_deliveries",
    "Deliveries of a unit's webhooks that wait or are given up.",
    ["unit", "state"],
)
CLOCKS_FIRED: Final = Counter(
    "hotline_clocks_fired_total", "Reminders and breaches that fired.", ["clock", "step"]
)
CASES_NOT_FIRED: Final = SetGauge(
    "hotline_cases_not_fired", "Cases whose due clocks could not be fired and are tried again."
)
CLOCKWORK_HELD: Final = SetGauge(
    "hotline_clockwork_held", "1 while no clock fires because the machine's clock is in doubt."
)
CLOCK_DELAY_SECONDS: Final = SetGauge(
    "hotline_clock_delay_seconds", "How late the oldest due clock is."
)
UNACCOUNTED_TICKETS: Final = Gauge(
    "hotline_unaccounted_tickets",
    "Accepted tickets that the last comparison found in no place, by what was wrong.",
    ["gap"],
)
RECONCILED_SECONDS: Final = SetGauge(
    "hotline_reconciled_age_seconds", "How long ago tickets and cases were last compared."
)
CALENDAR_HORIZON_DAYS: Final = SetGauge(
    "hotline_calendar_horizon_days", "Days until the working calendar ends."
)
