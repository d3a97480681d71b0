"""Checks of what guests ask for: a gateway that nobody is, or neighbours that are not on their bridge. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rdnbr.core.model.address import IP, MAC, family, show_ip, show_mac
from rdnbr.core.model.question import Question
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Finding, warning
from rdnbr.operator.text.phrases import listed

_MAX_NAMED = 3
_GATEWAYS = {4: "169.254.0.1", 6: "fe80::1"}
_BITS = {4: 32, 6: 128}


def check_questions(questions: Iterable[tuple[str, Question]]) -> Iterator[Finding]:
    """Yield a finding for each guest's address that asks for what nobody answers.

    Args:
        questions: the name of the port, and the question.
    """
    asked: defaultdict[tuple[str, MAC, IP], list[Question]] = defaultdict(list)
    for port, one in questions:
        if show_ip(one.target) not in _GATEWAYS.values():  # then the bridge lacks its gateway address
            asked[port, one.mac, one.address].append(one)
    for (port, mac, address), found in asked.items():
        version = family(address)
        named = listed([show_ip(one.target) for one in found], _MAX_NAMED)
        wrong = "its gateway" if len(found) == 1 else "its prefix length, or its gateway,"
        yield warning(
            "guest-asks-nobody",
            port,
            f"{show_ip(address)} ({show_mac(mac)} on {port}) asks for {named}, and nobody on the bridge answers: "
            f"{wrong} is wrong; it must have {show_ip(address)}/{_BITS[version]} and the gateway {_GATEWAYS[version]}",
            _configure_guest(mac, address, version),
        )


def _configure_guest(mac: MAC, address: IP, version: int) -> Cure:
    """Return the commands that give the guest its address and its gateway as they must be."""
    device = f"$(ip -o link | awk -F '[:@ ]+' '/{show_mac(mac)}/ {{print $2}}')"
    text = show_ip(address)
    nodad = " nodad" if version == 6 else ""
    onlink = " onlink" if version == 4 else ""
    return Cure.run(
        f"ip address flush dev {device} to {text}",
        f"ip address add {text}/{_BITS[version]} dev {device}{nodad}",
        f"ip -{version} route replace default via {_GATEWAYS[version]} dev {device}{onlink}",
        advice="to make it last, the same in the guest's network configuration "
        "(contrib/network/netplan-guest.yaml);",
        in_guest=True,
    )
