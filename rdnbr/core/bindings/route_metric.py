"""The metric of each route: a constant, or the stamp of the guest's arrival (`med_timestamp`).

A metric changes when the guest arrives again, and in a review of all routes: after a reload, and when an era ends. The
rate of a review is limited, since each change is a BGP update to the whole fabric.
"""

from collections import OrderedDict
from collections.abc import Iterable

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.model import med_timestamp
from rdnbr.core.model.binding import Binding
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.settings import Settings
from rdnbr.core.primitives.token_bucket import TokenBucket

RENEWALS, RENEWED_EVERY = 24, 600.0
"""The stamp of a binding may be renewed so many times in a row, and then once in so many seconds. keepalived, for
example, can be configured to repeat its announcements every few seconds, and BGP must not repeat them."""

REVIEWED = 200
"""Metrics that may change in one second of a review."""

_EXAMINED_AT_ONCE = 2000
"""Bindings that one call of a review looks at."""

_LATE_ENOUGH = 0.001
"""Seconds. The sum of two large times may be rounded down, and an era must have ended when its end is handled."""


class RouteMetrics:
    """Computes the metric of every route."""

    def __init__(self, settings: Settings, bindings: BindingTable) -> None:
        self._bindings = bindings
        self._settings = settings
        self._clock = 0.0
        """What the time of an event is added to for seconds since 1970."""
        self._era: int | None = None
        """The era of the latest review; None before the first review."""
        self._to_review: OrderedDict[Key, None] = OrderedDict()
        self._next_review = 0.0

    def configure(self, now: float, settings: Settings) -> None:
        """Use other metrics from now on. A metric depends on `mobility` and `routes` alone."""
        before, self._settings = self._settings, settings
        if (settings.mobility, settings.routes) != (before.mobility, before.routes):
            self._schedule_review_of_all(now)

    def set_clock(self, now: float, wall: float) -> None:
        """Set the wall time at `now`, in seconds since 1970.

        When the clock was set, later stamps follow it. Earlier stamps stay, unless the clock was set back so far that
        they must be wrong.
        """
        before, self._clock = self._clock, wall - now
        if self._clock < before - med_timestamp.NEAR * med_timestamp.TICK:
            self._schedule_review_of_all(now)
        self._keep_era(now)

    def stamp_arrival(self, now: float, binding: Binding) -> None:
        """Stamp a binding whose guest has just arrived."""
        binding.stamp = self._tick(now)
        binding.metric = self._metric(now, binding)

    def adopt_metric(self, now: float, binding: Binding, metric: int | None) -> None:
        """Adopt the metric of a route that was in the kernel; None: the route was not where it should be.

        BGP must not see a restart, so the metric stays where this node would give it. A constant metric would be newer
        than every stamp, so a binding with a constant metric counts as older than all bindings with stamps.
        """
        binding.stamp = med_timestamp.LONG_AGO
        if metric is not None and metric != self._constant(binding):
            binding.stamp = med_timestamp.stamp_of_metric(metric, self._tick(now))
        binding.metric = self._metric(now, binding)

    def may_renew(self, now: float, binding: Binding) -> bool:
        """Tell whether a binding whose guest announces itself again gets a later stamp."""
        return (
            self._has_stamp(binding)
            and med_timestamp.renewed_stamp(binding.stamp, self._tick(now)) != binding.stamp
            and (binding.renewals is None or binding.renewals.has(now))
        )

    def renew(self, now: float, binding: Binding) -> None:
        """Stamp a binding anew; `may_renew` has allowed it."""
        if binding.renewals is None:
            binding.renewals = TokenBucket(1 / RENEWED_EVERY, RENEWALS)
        binding.renewals.consume(now)
        binding.stamp = med_timestamp.renewed_stamp(binding.stamp, self._tick(now))
        binding.metric = self._metric(now, binding)

    def schedule_review(self, now: float, bindings: Iterable[Binding]) -> None:
        """Review the metrics of these bindings soon."""
        self._next_review = max(self._next_review, now)
        for binding in bindings:
            self._to_review[binding.key] = None

    def run_review(self, now: float) -> list[Binding]:
        """Go on with the review, if its time has come; return the bindings that have another metric now."""
        self._keep_era(now)
        changed: list[Binding] = []
        if now < self._next_review:
            return changed
        for _ in range(min(len(self._to_review), _EXAMINED_AT_ONCE)):
            if len(changed) == REVIEWED:
                break
            key, _ = self._to_review.popitem(last=False)
            binding = self._bindings.get(key)
            if binding is None or binding.state not in WITH_ROUTE:
                continue
            metric = self._metric(now, binding)
            if metric != binding.metric:
                binding.metric = metric
                changed.append(binding)
        self._next_review = now + len(changed) / REVIEWED
        return changed

    def next_deadline(self) -> float | None:
        """Return when `run_review` has something to do; None: no review is scheduled."""
        if self._to_review:
            return self._next_review
        if self._era is None or not self._newest_wins:
            return None
        return med_timestamp.end_of_era(self._era) - self._clock + _LATE_ENOUGH

    def _keep_era(self, now: float) -> None:
        """Review all routes when another era has begun: the metric of a stamp changes only then."""
        era = med_timestamp.era_of(self._tick(now))
        if era != self._era:
            self._era = era
            self._schedule_review_of_all(now)

    def _schedule_review_of_all(self, now: float) -> None:
        self._next_review = max(self._next_review, now)
        self._to_review |= dict.fromkeys(self._bindings.keys())

    @property
    def _newest_wins(self) -> bool:
        return self._settings.mobility == "newest-wins"

    def _tick(self, now: float) -> int:
        return med_timestamp.tick_at(now + self._clock)

    def _has_stamp(self, binding: Binding) -> bool:
        return self._newest_wins and not (binding.rule is not None and binding.rule.anycast)

    def _metric(self, now: float, binding: Binding) -> int:
        if self._has_stamp(binding):
            return med_timestamp.metric_of_stamp(binding.stamp, self._tick(now))
        return self._constant(binding)

    def _constant(self, binding: Binding) -> int:
        return self._settings.routes.constant(len(binding.key.address))
