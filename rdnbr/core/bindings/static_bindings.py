"""Static bindings: addresses whose rule says `static`, routed without probes while their port and MAC are there.

Such an address may be announced and never answered for. Its binding begins with the first claim, or as soon as its rule
says where it is: the MAC of the rule was heard on the port, or the rule names both the MAC and the port. It ends with
the port, the rule or the operator. Nobody can tell whether its guest is alive, so the claim of another guest does not
move it, unless the rule says `vip` and the guest announces it.
"""

from collections.abc import Mapping

from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.state_machine import BindingEvent
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.model.address import MAC, ZERO_MAC
from rdnbr.core.model.binding import Anchor, Binding, NewAnchor
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import Port, Segment, vm_of
from rdnbr.core.model.rule import Claimant, Rule
from rdnbr.core.policy.policy import Policy


class StaticBindings:
    """Begins bindings for which no frame names the address."""

    def __init__(
        self,
        policy: Policy,
        table: BindingTable,
        transitions: Transitions,
        segments: Mapping[int, Segment],
        ports: Mapping[int, Port],
    ) -> None:
        self._policy = policy
        self._table = table
        self._transitions = transitions
        self._segments = segments
        self._ports = ports

    def bind(self, now: float, port: Port, mac: MAC | None) -> None:
        """Bind what static rules give to a MAC that was heard on a port; without `mac`, to a port that has appeared."""
        allowlist = self._policy.authorization.allowlist
        if allowlist is None or not allowlist.has_static:
            return
        for rule in allowlist.rules_naming(mac, port.name, self._segments[port.segment].name):
            if rule.static and rule.qualifiers.mac is not None:
                self._bind_rule(now, port, Anchor(port.index, rule.qualifiers.mac), rule)

    def settle_adopted(self, now: float, binding: Binding) -> None:
        """Give an adopted static binding its port: that of its pin, of its rule, or of the forwarding database.

        Without any the binding is adopted as any other, until a frame of its MAC arrives.
        """
        rule, mac = binding.rule, binding.anchor.mac
        if rule is None or not rule.static or mac == ZERO_MAC:
            return
        on_segment = [port for port in self._ports.values() if port.segment == binding.segment]
        named = [port for port in on_segment if self._names_port(rule, port, mac)]
        known = binding.anchor.port if binding.anchor.port is not None or len(named) != 1 else named[0].index
        likely = binding.fdb_port if known is None else known
        if likely is not None:
            self._table.set_anchor(binding, Anchor(likely, mac))
            binding.port_inferred = known is None
            self._transitions.apply(now, binding, BindingEvent.STATIC)

    def _bind_rule(self, now: float, port: Port, anchor: Anchor, rule: Rule) -> None:
        key = Key(self._segments[port.segment].table, rule.prefix.address)
        binding = self._table.get(key)
        verdict = self._policy.authorization.authorize(key.address, anchor, port.segment)
        if verdict.rule is not rule or self._policy.quarantine.is_quarantined(now, key, anchor):
            return
        if binding is None:
            if self._policy.limits.refuse_claim(now, port.index, key.address) is None:
                binding = Binding(key, port.segment, anchor, Source.RULE, rule, now, now)
                self._transitions.apply(now, binding, BindingEvent.STATIC)
        elif binding.state is State.DEPARTED:
            if self._policy.limits.refuse_challenge(now, port.index, key.address) is None:
                to = NewAnchor(anchor, port.segment, Source.RULE, rule)
                self._transitions.apply(now, binding, BindingEvent.STATIC, to=to)
        elif binding.anchor == Anchor(None, anchor.mac) and binding.segment == port.segment:
            self._transitions.infer_port(now, binding, anchor)
            self._transitions.apply(now, binding, BindingEvent.STATIC)

    def _names_port(self, rule: Rule, port: Port, mac: MAC) -> bool:
        named = port.name in rule.qualifiers.ports or rule.qualifiers.vm is not None
        claimant = Claimant(mac, port.name, self._segments[port.segment].name, vm_of(port.name), None)
        return named and rule.qualifiers.match(claimant)
