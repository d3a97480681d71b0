"""Builds the parts of the engine, each with the parts that it uses."""

from typing import NamedTuple

from rdnbr.core.bindings.adopter import Adopter
from rdnbr.core.bindings.arrivals import Arrivals
from rdnbr.core.bindings.binding_table import BindingTable
from rdnbr.core.bindings.claim_handler import ClaimHandler
from rdnbr.core.bindings.conflict import Conflicts
from rdnbr.core.bindings.covering_prefixes import CoveringPrefixes
from rdnbr.core.bindings.damped_ports import DampedPorts
from rdnbr.core.bindings.departed import DepartedBindings
from rdnbr.core.bindings.expiry import Expiry
from rdnbr.core.bindings.explanation_builder import ExplanationBuilder
from rdnbr.core.bindings.flush import Flush
from rdnbr.core.bindings.operator_probe import OperatorProbes
from rdnbr.core.bindings.reauthorization import Reauthorization
from rdnbr.core.bindings.route_metric import RouteMetrics
from rdnbr.core.bindings.signs_of_life import SignsOfLife
from rdnbr.core.bindings.static_bindings import StaticBindings
from rdnbr.core.bindings.transitions import Transitions
from rdnbr.core.bindings.unanswered_questions import UnansweredQuestions
from rdnbr.core.bindings.unproved_adoptions import UnprovedAdoptions
from rdnbr.core.model.engine_outputs import Emit
from rdnbr.core.model.interfaces import Port, Segment
from rdnbr.core.model.settings import Settings
from rdnbr.core.policy.allowlist import Allowlist
from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.flap_damping import FlapDamping
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.policy import Policy
from rdnbr.core.policy.quarantine import Quarantine
from rdnbr.core.probing.dad_times import DadTimes
from rdnbr.core.probing.data_snooping import DataSnooping
from rdnbr.core.probing.discovery import Discovery
from rdnbr.core.probing.gateway_announcer import GatewayAnnouncer
from rdnbr.core.probing.gateway_defence import GatewayDefence
from rdnbr.core.probing.listener_querier import ListenerQuerier
from rdnbr.core.probing.port_services import PortServices
from rdnbr.core.probing.prober import Prober
from rdnbr.core.probing.slow_probing import SlowPace
from rdnbr.core.probing.timers import BindingTimers


class EngineParts(NamedTuple):
    """The parts that the engine calls."""

    table: BindingTable
    policy: Policy
    departed: DepartedBindings
    unproved: UnprovedAdoptions
    damping: FlapDamping
    damped_ports: DampedPorts
    transitions: Transitions
    conflicts: Conflicts
    services: PortServices
    signs_of_life: SignsOfLife
    arrivals: Arrivals
    adopter: Adopter
    claim_handler: ClaimHandler
    flush: Flush
    questions: UnansweredQuestions
    explanations: ExplanationBuilder
    expiry: Expiry
    operator_probes: OperatorProbes
    covering: CoveringPrefixes
    reauthorization: Reauthorization


def make_parts(
    settings: Settings,
    allowlist: Allowlist | None,
    segments: dict[int, Segment],
    ports: dict[int, Port],
    emit: Emit,
) -> EngineParts:
    """Build the parts of one engine.

    Args:
        settings: the times, rates and limits.
        allowlist: None in open mode.
        segments: by ifindex. The engine changes the mapping; the parts read it.
        ports: by ifindex; as above.
        emit: takes the outputs.
    """
    table, damping, dad_times = BindingTable(), FlapDamping(), DadTimes()
    policy = Policy(Authorization(allowlist, segments, ports), PortLimits(settings, table), Quarantine())
    prober, pace = Prober(settings, segments, ports, dad_times), SlowPace(settings)
    snooping = DataSnooping(settings, segments, ports, table, emit)
    timers = BindingTimers(settings, prober, pace, snooping, emit)
    departed = DepartedBindings(table, timers, policy, ports)
    unproved = UnprovedAdoptions(table, timers, emit)
    metrics = RouteMetrics(settings, table)
    transitions = Transitions(
        table, timers, metrics, policy.quarantine, departed, unproved, damping, ports, emit
    )
    damped_ports = DampedPorts(damping, table, transitions, ports, emit)
    conflicts = Conflicts(settings, table, transitions)
    services = PortServices(
        GatewayAnnouncer(segments, ports, policy.limits, emit),
        GatewayDefence(segments, ports, emit),
        Discovery(settings, segments, ports, policy, table, prober, pace, emit),
        snooping,
        ListenerQuerier(segments, ports, emit),
        dad_times,
    )
    static = StaticBindings(policy, table, transitions, segments, ports)
    signs_of_life = SignsOfLife(table, policy.limits, static, services, segments, ports)
    arrivals = Arrivals(policy, table, transitions, conflicts, static, services, segments)
    covering = CoveringPrefixes(policy.authorization, emit)
    questions = UnansweredQuestions(table, segments)
    return EngineParts(
        table,
        policy,
        departed,
        unproved,
        damping,
        damped_ports,
        transitions,
        conflicts,
        services,
        signs_of_life,
        arrivals,
        Adopter(policy, table, transitions, static, covering, unproved, segments, ports),
        ClaimHandler(
            policy, table, transitions, conflicts, static, services, arrivals, signs_of_life, segments, emit
        ),
        Flush(table, transitions, damped_ports, signs_of_life, ports),
        questions,
        ExplanationBuilder(policy, table, transitions, questions, segments, ports),
        Expiry(table, transitions, departed, policy.quarantine, unproved),
        OperatorProbes(transitions, departed, services),
        covering,
        Reauthorization(policy.authorization, table, transitions, static, services, ports, covering),
    )
