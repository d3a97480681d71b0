"""The metric of each binding's route: constant, or the stamp of its arrival (`stamp`).

A metric changes only when its guest arrives again, or when all are reviewed: after a reload, and when an era ends.
A review goes through the bindings at a pace, since BGP has to tell the whole fabric of each.
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
"""A binding may be renewed so many times in a row, and then once in so many seconds: keepalived, for one, repeats its
announcements every few seconds where it is told to, and BGP must not repeat them."""

REVIEWED = 200
"""Metrics that change in one second of a review."""

_LATE_ENOUGH = 0.001
"""Seconds. A sum of two large times may be a hair less than it should be; an era must have ended when it is left."""


class RouteMetrics:
    """Gives every route its metric."""

    def __init__(self, settings: Settings, bindings: BindingTable) -> None:
        self._bindings = bindings
        self._settings = settings
        self._clock = 0.0
        """What to add to the events' time for seconds since 1970."""
        self._era: int | None = None
        """The era of the latest review; None before the first."""
        self._to_review: OrderedDict[Key, None] = OrderedDict()
        self._next_review = 0.0

    def configure(self, now: float, settings: Settings) -> None:
        """Other metrics count from now on."""
        self._settings = settings
        self.schedule_review(now, self._bindings)

    def set_clock(self, now: float, wall: float) -> None:
        """At `now` it is `wall` seconds since 1970.

        Only stamps to come follow a clock that is set, unless it is set back so far that older ones must be wrong.
        """
        before, self._clock = self._clock, wall - now
        if self._clock < before - med_timestamp.NEAR * med_timestamp.TICK:
            self.schedule_review(now, self._bindings)
        self._keep_era(now)

    def stamp_arrival(self, now: float, binding: Binding) -> None:
        """Its guest has just arrived."""
        binding.stamp = self._tick(now)
        binding.metric = self._metric(now, binding)

    def adopt_metric(self, now: float, binding: Binding, metric: int | None) -> None:
        """Its route was in the kernel with this metric; None: it was not where it should be.

        BGP must not see a restart, so the metric stays if it may. The constant of a node that has stamped nothing yet
        would be newer than every stamp: whoever has it arrived before all who have stamps.
        """
        binding.stamp = med_timestamp.LONG_AGO
        if metric is not None and metric != self._constant(binding):
            binding.stamp = med_timestamp.read(metric, self._tick(now))
        binding.metric = self._metric(now, binding)

    def may_renew(self, now: float, binding: Binding) -> bool:
        """Tell whether its guest, which announces itself again, gets a later stamp."""
        return (
            self._stamped(binding)
            and med_timestamp.renewed(binding.stamp, self._tick(now)) != binding.stamp
            and (binding.renewals is None or binding.renewals.has(now))
        )

    def renew(self, now: float, binding: Binding) -> None:
        """Stamp it anew, which it may."""
        if binding.renewals is None:
            binding.renewals = TokenBucket(1 / RENEWED_EVERY, RENEWALS)
        binding.renewals.take(now)
        binding.stamp = med_timestamp.renewed(binding.stamp, self._tick(now))
        binding.metric = self._metric(now, binding)

    def schedule_review(self, now: float, bindings: Iterable[Binding]) -> None:
        """Look soon whether they have the right metric still."""
        self._next_review = max(self._next_review, now)
        for binding in bindings:
            self._to_review[binding.key] = None

    def run_review(self, now: float) -> list[Binding]:
        """Go on with the review, if it is time to; return the bindings that have another metric now."""
        self._keep_era(now)
        changed: list[Binding] = []
        if now < self._next_review:
            return changed
        while self._to_review and len(changed) < REVIEWED:
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
        """Tell when `reviewed` has something to do."""
        if self._to_review:
            return self._next_review
        if self._era is None or not self._newest:
            return None
        return med_timestamp.end(self._era) - self._clock + _LATE_ENOUGH

    def _keep_era(self, now: float) -> None:
        """Review all when another era has begun: only then do stamps change what they are worth."""
        era = med_timestamp.era(self._tick(now))
        if era != self._era:
            self._era = era
            self.schedule_review(now, self._bindings)

    @property
    def _newest(self) -> bool:
        return self._settings.mobility == "newest-wins"

    def _tick(self, now: float) -> int:
        return med_timestamp.tick(now + self._clock)

    def _stamped(self, binding: Binding) -> bool:
        return self._newest and not (binding.rule is not None and binding.rule.anycast)

    def _metric(self, now: float, binding: Binding) -> int:
        if self._stamped(binding):
            return med_timestamp.metric(binding.stamp, self._tick(now))
        return self._constant(binding)

    def _constant(self, binding: Binding) -> int:
        return self._settings.routes.constant(len(binding.key.address))
