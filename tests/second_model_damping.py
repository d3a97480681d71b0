"""The second model's part of damping: which ports flap too much, and until when their routes are held back."""

from math import log2


class Damping:
    """All losses of ports with routes, by the port's name; whatever is asked is worked out from them anew."""

    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.held: dict[str, float] = {}
        """Until when the routes of a port are held back."""

    def lose(self, now: float, port: str) -> bool:
        """Count a loss; tell whether the port's routes are held back from now on, and were not before."""
        losses = self.losses.setdefault(port, [])
        if losses and self.penalty(losses, now) < 0.1:
            losses.clear()
        losses.append(now)
        penalty = self.penalty(losses, now)
        before = port in self.held
        if before or penalty > 4.0:
            self.held[port] = now + 90.0 * log2(penalty / 2.0)
        return port in self.held and not before

    def penalty(self, losses: list[float], now: float) -> float:
        penalty, last = 0.0, losses[0]
        for at in losses:
            penalty = min(penalty * 2 ** -((at - last) / 90.0) + 1.0, 2.0 * 2 ** (300.0 / 90.0))
            last = at
        return float(penalty * 2 ** -((now - last) / 90.0))

    def forget(self, port: str) -> bool:
        """Forget a port, as the operator says; tell whether its routes were held back."""
        self.losses.pop(port, None)
        return self.held.pop(port, None) is not None

    def over(self, now: float) -> list[str]:
        """Let go of the ports whose time is over."""
        due = sorted((until, port) for port, until in self.held.items() if until <= now)
        for _, port in due:
            del self.held[port]
        return [port for _, port in due]
