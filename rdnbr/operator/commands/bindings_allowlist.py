"""`rdnbr allowlist --from-bindings`: rules of an allowlist for the guests that are there. Pure."""

from collections.abc import Iterable, Iterator

from rdnbr.core.model.address import ZERO_MAC
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.rule import Prefix, Qualifiers, Rule
from rdnbr.core.model.virtual_router_mac import is_virtual_router_mac
from rdnbr.operator.control.bound_addresses import BoundAddress

_HEAD = """\
# Rules for the guests that have a route now, one for each address. Put the rules of networks that any guest may use
# above them, and delete here what should not be permitted.
#     rdnbr check --against --allowlist FILE      names the guests that this file would withdraw"""


def allowlist_text(bound: Iterable[BoundAddress]) -> str:
    """Return the text of an allowlist that permits each address to the guest that has it.

    A guest is named by its number where the name of its port has one, and else by its MAC: other names of ports change
    when a guest is started again. An address of a virtual router's MAC is permitted to that MAC on every port. An
    address whose guest has departed, or is not known yet, is in a comment.
    """
    ordered = sorted(bound, key=_order)
    return "\n".join([_HEAD, *dict.fromkeys(_lines(ordered))]) + "\n"


def _lines(bound: Iterable[BoundAddress]) -> Iterator[str]:
    for one in bound:
        if one.state is State.TENTATIVE:
            continue
        rule = str(rule_for(one))
        place = f"{one.port or one.bridge}, {one.state.value}"
        if one.rule is not None:
            place += f", now by {one.rule}"
        if is_virtual_router_mac(one.mac):
            place += "; a virtual router: see `vip`"
        if one.mac == ZERO_MAC:
            yield f"# {Prefix(one.address, 8 * len(one.address))}: no frame of its guest was received yet"
        elif one.installed:
            yield f"{rule:<50}  # {place}"
        else:
            yield f"# {rule:<48}  # {place}"


def rule_for(one: BoundAddress) -> Rule:
    """Return the rule that permits an address to the guest that has it."""
    vm = None if one.port is None else vm_of(one.port)
    by_mac = vm is None or is_virtual_router_mac(one.mac)
    qualifiers = Qualifiers(mac=one.mac) if by_mac else Qualifiers(vm=vm)
    return Rule(prefix=Prefix(one.address, 8 * len(one.address)), qualifiers=qualifiers)


def _order(one: BoundAddress) -> tuple[bool, int, bytes, int, bytes]:
    """Sort by guest, and IPv4 first."""
    vm = None if one.port is None else vm_of(one.port)
    return vm is None, vm or 0, one.mac, len(one.address), one.address
