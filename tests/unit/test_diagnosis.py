"""Each finding from the facts that call for it, and none from those of a right node."""

from dataclasses import replace

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Link, Segment
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.core.policy.allowlist import parse
from rdnbr.core.policy.local_addresses import node_local_addresses
from rdnbr.linux.frr.frr_status import Frr, Redistribution, RouteMap, Session
from rdnbr.linux.frr.slow_settings import SlowSetting
from rdnbr.linux.host.bridge_sysfs import Details
from rdnbr.linux.nft.iptables_save import read_save
from rdnbr.operator.findings.bridge import Bridge, Claimant
from rdnbr.operator.findings.cure import configure_frr
from rdnbr.operator.findings.diagnosis import Facts, diagnose

SEGMENT = Segment(
    index=7,
    name="vmbr1",
    mac=parse_mac("02:00:5e:00:00:01"),
    table=254,
    gateway4=parse_ip("169.254.0.1"),
    gateway6=parse_ip("fe80::1"),
)
DETAILS = Details(mac_fixed=True, mac_of_machine=False, snooping=False, querier=False, vlan_filtering=False)
KEEP = Link(8, "vmbr1keep", "dummy", parse_mac("02:00:00:00:00:08"), 7, up=True, carrier=True)
TAP = Link(9, "tap100i0", "tun", parse_mac("02:00:00:00:00:09"), 7, up=True, carrier=True)
BRIDGE = Bridge(SEGMENT, carrier=True, members=(KEEP, TAP), details=DETAILS)
SETTINGS = {
    "ipv4/conf/all/forwarding": 1,
    "ipv4/conf/vmbr1/forwarding": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv6/conf/vmbr1/forwarding": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/vmbr1/rp_filter": 2,
    "ipv4/conf/all/proxy_arp": 0,
    "ipv4/conf/vmbr1/proxy_arp": 0,
    "ipv4/conf/all/arp_ignore": 0,
    "ipv4/conf/vmbr1/arp_ignore": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/vmbr1/send_redirects": 0,
    "ipv4/conf/all/arp_accept": 0,
    "ipv4/conf/vmbr1/arp_accept": 0,
    "ipv6/conf/vmbr1/accept_untracked_na": 0,
    "ipv6/conf/all/accept_ra": 1,
    "ipv6/conf/vmbr1/accept_ra": 1,
}
GUEST_IN_PREFIX = {
    "node": node_local_addresses([], [InterfaceAddress(5, parse_ip("198.51.100.1"), 24)], []),
    "guests": frozenset({parse_ip("198.51.100.9"), parse_ip("2.57.57.30")}),
}
UP4, UP6 = Session(None, 4, "198.51.100.0", "Established"), Session(None, 6, "2001:db8::1", "Established")
FRR = Frr(
    (10, 3),
    frozenset({"zebra", "bgpd", "mgmtd"}),
    (Redistribution(None, 4, "R4"), Redistribution(None, 6, "R6")),
    (UP4, UP6),
)
RIGHT = Facts(
    bridges=(BRIDGE,),
    settings=SETTINGS,
    allowlist=parse([("allowlist", "2.57.57.0/24")]),
    daemon="allowlist",
    frr=FRR,
    protocol="rdnbr",
)


def found(facts):
    return [(finding.severity.value, finding.about, finding.name) for finding in diagnose(facts)]


def with_bridge(**changes):
    return replace(RIGHT, bridges=(replace(BRIDGE, **changes),))


def with_segment(**changes):
    return with_bridge(segment=replace(SEGMENT, **changes))


def with_details(**changes):
    return with_bridge(details=replace(DETAILS, **changes))


def with_settings(**values):
    return replace(
        RIGHT, settings=SETTINGS | {path.replace("__", "/"): value for path, value in values.items()}
    )


def with_frr(**changes):
    return replace(RIGHT, frr=replace(FRR, **changes))


def test_a_right_node_has_no_finding():
    """There is nothing to say of a node that is as it should be."""
    assert diagnose(RIGHT) == []


def with_failed(**changes):
    """fe80::1 of the bridge has failed duplicate address detection."""
    failed = (InterfaceAddress(7, parse_ip("fe80::1"), 64, dad_failed=True),)
    return with_bridge(segment=replace(SEGMENT, gateway6=None, addresses=failed), **changes)


HIDDEN = UnreadFact("it was not looked at", "be root")
OLD_FRR = {"version": (10, 2)}
NEW_FRR = {"version": (10, 7)}


@pytest.mark.parametrize(
    ("facts", "severity", "about", "name"),
    [
        (replace(RIGHT, bridges=()), "problem", "node", "no-segment"),
        (with_segment(up=False), "problem", "vmbr1", "bridge-down"),
        (with_segment(gateway4=None), "warning", "vmbr1", "no-ipv4-gateway"),
        (with_segment(gateway6=None), "warning", "vmbr1", "no-ipv6-gateway"),
        (with_segment(gateway6=parse_ip("fe80::2")), "warning", "vmbr1", "no-ipv6-gateway"),
        (with_failed(), "problem", "vmbr1", "gateway-dadfailed"),
        (with_bridge(conflict_detection=(parse_ip("169.254.0.1"),)), "warning", "vmbr1", "networkd-detects-conflicts"),
        (
            replace(
                with_segment(addresses=(InterfaceAddress(7, parse_ip("fe80::1"), 64),)),
                settings=SETTINGS | {"ipv6/conf/vmbr1/accept_dad": 1},
            ),
            "warning", "vmbr1", "accept-dad-on",
        ),
        # Case 20
        (with_details(mac_fixed=False), "problem", "vmbr1", "bridge-mac-not-fixed"),
        # Case 21
        (with_details(mac_of_machine=True), "warning", "vmbr1", "bridge-mac-of-this-node"),
        (with_segment(mac=parse_mac("00:16:3e:00:00:01")), "warning", "vmbr1", "bridge-mac-universal"),
        # Case 22
        (with_bridge(carrier=False, members=()), "problem", "vmbr1", "bridge-without-carrier"),
        (
            replace(with_bridge(carrier=False, members=()), frr=replace(FRR, version=None)),
            "problem", "vmbr1", "bridge-without-carrier",
        ),
        (
            replace(with_bridge(carrier=False, members=()), frr=None),
            "warning", "vmbr1", "bridge-without-carrier",
        ),
        (with_bridge(members=(TAP,)), "warning", "vmbr1", "carrier-hangs-on-guests"),
        (with_bridge(members=(replace(KEEP, up=False), TAP)), "warning", "vmbr1", "carrier-hangs-on-guests"),
        (
            replace(with_bridge(carrier=False, members=()), frr=replace(FRR, **OLD_FRR)),
            "warning", "vmbr1", "bridge-without-carrier",
        ),
        (replace(with_bridge(members=(TAP,)), frr=replace(FRR, **OLD_FRR)), "note", "vmbr1", "carrier-hangs-on-guests"),
        (with_details(snooping=True), "warning", "vmbr1", "snooping-without-querier"),
        (with_details(vlan_filtering=True), "note", "vmbr1", "vlan-aware"),
        (with_bridge(details=HIDDEN), "note", "vmbr1", "not-seen"),
        (with_bridge(members=(KEEP, replace(TAP, carrier=False))), "note", "vmbr1", "port-not-running"),
        (with_bridge(members=(KEEP, replace(TAP, up=False))), "note", "vmbr1", "port-not-running"),
        (with_bridge(members=(KEEP, replace(TAP, kind="vxlan"))), "note", "vmbr1", "port-leads-elsewhere"),
        (with_settings(ipv4__conf__vmbr1__forwarding=0), "problem", "vmbr1", "ipv4-forwarding-off"),
        (with_settings(ipv6__conf__vmbr1__forwarding=0), "problem", "vmbr1", "ipv6-forwarding-off"),
        (with_settings(ipv6__conf__all__forwarding=0), "problem", "vmbr1", "ipv6-forwarding-off"),
        # Case 17
        (with_settings(ipv4__conf__vmbr1__rp_filter=1), "warning", "vmbr1", "rp-filter-strict"),
        (
            with_settings(ipv4__conf__vmbr1__rp_filter=0, ipv4__conf__all__rp_filter=1),
            "warning", "vmbr1", "rp-filter-strict",
        ),
        # Case 19
        (with_settings(ipv4__conf__vmbr1__proxy_arp=1), "warning", "vmbr1", "proxy-arp-on"),
        (with_settings(ipv4__conf__all__proxy_arp=1), "warning", "vmbr1", "proxy-arp-on"),
        (with_settings(ipv4__conf__vmbr1__arp_ignore=0), "note", "vmbr1", "arp-ignore-off"),
        (with_settings(ipv4__conf__all__arp_ignore=2), "problem", "vmbr1", "arp-ignore-too-strict"),
        (with_settings(ipv4__conf__vmbr1__arp_ignore=8), "problem", "vmbr1", "arp-ignore-too-strict"),
        (with_settings(ipv4__conf__all__send_redirects=1), "warning", "vmbr1", "send-redirects-on"),
        (with_settings(ipv4__conf__vmbr1__arp_accept=1), "warning", "vmbr1", "arp-accept-on"),
        (with_settings(ipv6__conf__vmbr1__accept_untracked_na=2), "warning", "vmbr1", "untracked-na-accepted"),
        (with_settings(ipv6__conf__vmbr1__accept_ra=2), "problem", "vmbr1", "router-advertisements-accepted"),
        (replace(RIGHT, networkd=frozenset({7})), "warning", "vmbr1", "networkd-removes-routes"),
        (replace(RIGHT, **GUEST_IN_PREFIX), "warning", "node", "guest-in-connected-prefix"),
        (replace(RIGHT, daemon=None), "warning", "daemon", "daemon-not-running"),
        (replace(RIGHT, daemon=HIDDEN), "note", "daemon", "not-seen"),
        (replace(RIGHT, daemon="open"), "warning", "daemon", "open-mode"),
        (replace(RIGHT, allowlist=parse([("a", "")])), "note", "allowlist", "allowlist-permits-nobody"),
        (replace(RIGHT, allowlist=parse([("a", "deny ::1")])), "note", "allowlist", "allowlist-permits-nobody"),
        (
            replace(RIGHT, allowlist=None, mistakes=(Problem("/etc/rdnbr/allowlist", 3, "no address"),)),
            "problem", "/etc/rdnbr/allowlist:3", "mistake-in-file",
        ),
        (replace(RIGHT, frr=None), "note", "frr", "frr-missing"),
        (replace(RIGHT, frr=HIDDEN), "note", "frr", "not-seen"),
        (with_frr(daemons=frozenset()), "warning", "frr", "frr-not-running"),
        (with_frr(daemons=frozenset({"zebra"})), "problem", "frr", "bgpd-not-running"),
        (with_frr(daemons=frozenset({"bgpd"})), "problem", "frr", "zebra-not-running"),
        (with_frr(daemons=frozenset({"zebra", "bgpd"})), "warning", "frr", "mgmtd-not-running"),
        (
            replace(with_segment(gateway4=None), frr=replace(FRR, **NEW_FRR)),
            "problem", "vmbr1", "no-ipv4-gateway",
        ),
        (with_frr(redistributions=(*FRR.redistributions[:1], Redistribution(None, 6, "R6", table=10))),
            "problem", "frr", "no-redistribute-kernel"),
        (with_frr(redistributions=FRR.redistributions[:1]), "problem", "frr", "no-redistribute-kernel"),
        (with_bridge(vrf="red", segment=replace(SEGMENT, gateway6=None)), "problem", "frr", "no-redistribute-kernel"),
        (
            with_frr(redistributions=(Redistribution(None, 4, "R4"), Redistribution(None, 6, None))),
            "warning", "frr", "redistribute-without-route-map",
        ),
        (with_frr(sessions=(UP4,)), "problem", "frr", "bgp-no-session"),
        (with_frr(sessions=(UP4._replace(state="Idle (Admin)"), UP6)), "problem", "frr", "bgp-no-session"),
        (with_frr(sessions=(UP4, UP6, UP6._replace(state="Connect"))), "warning", "frr", "bgp-session-down"),
        (with_frr(missed={"vmbr1": (parse_ip("2.57.57.30"),)}), "warning", "vmbr1", "zebra-missed-routes"),
        (with_frr(stale={"vmbr1": (parse_ip("2.57.57.30"),)}), "warning", "vmbr1", "zebra-stale-routes"),
        (with_frr(not_selected={"vmbr1": (parse_ip("2001:db8::1"),)}), "warning", "vmbr1", "zebra-prefers-others"),
        *(
            (with_frr(slow_settings=(SlowSetting(name, "line", ()),)), "warning", "frr", name)
            for name in ("bgp-coalesce-time", "bgp-advertisement-interval", "bgp-update-delay", "bgp-dampening")
        ),
        (replace(RIGHT, protocol=None), "note", "node", "protocol-without-name"),
        (replace(RIGHT, protocol="l3"), "warning", "node", "protocol-is-anothers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(facts, severity, about, name):
    """Each thing that is wrong is found under its name."""
    assert (severity, about, name) in found(facts)


@pytest.mark.parametrize(
    "facts",
    [
        with_details(snooping=True, querier=True),
        with_settings(ipv4__conf__all__rp_filter=2, ipv4__conf__vmbr1__rp_filter=1),  # the greater counts
        with_settings(ipv4__conf__all__rp_filter=1),  # vmbr1's 2 is greater
        with_settings(ipv4__conf__vmbr1__arp_ignore=3),
        replace(RIGHT, settings={}),  # a kernel without these knobs
        replace(
            with_segment(addresses=(InterfaceAddress(7, parse_ip("fe80::1"), 64, without_dad=True),)),
            settings=SETTINGS | {"ipv6/conf/vmbr1/accept_dad": 1},
        ),
        replace(
            with_segment(addresses=(InterfaceAddress(7, parse_ip("fe80::1"), 64),)),
            settings=SETTINGS | {"ipv6/conf/all/accept_dad": 0, "ipv6/conf/vmbr1/accept_dad": 0},
        ),
        replace(
            RIGHT, daemon="allowlist", allowlist=None
        ),  # one that the daemon was given by its command line
        with_bridge(segment=replace(SEGMENT, up=True), vrf=None),
        replace(RIGHT, networkd=frozenset({8})),
        with_frr(version=None),
        with_frr(sessions=(UP4, UP6, UP4._replace(state="Idle (Admin)"))),
        with_frr(sessions=(UP4, UP6, Session("red", 4, "198.51.100.9", "Active"))),
        with_frr(daemons=FRR.daemons | {"staticd", "watchfrr"}),
        with_frr(daemons=frozenset({"zebra", "bgpd"}), version=(8, 4)),
        with_frr(daemons=frozenset({"zebra", "bgpd"}), version=None),
    ],
)
def test_what_is_right_is_not_found(facts):
    """What only looks like it is no finding."""
    assert diagnose(facts) == []


def test_one_wrong_thing_is_one_finding():
    """A wrong setting brings one finding and no more."""
    assert found(with_settings(ipv4__conf__vmbr1__proxy_arp=1)) == [("warning", "vmbr1", "proxy-arp-on")]


def test_open_mode_is_told_once_without_a_daemon():
    """With neither daemon nor allowlist, it is said that rdnbr would run open; a broken one is another matter."""
    nothing = replace(RIGHT, daemon=None, allowlist=None)
    broken = replace(nothing, mistakes=(Problem("a", 1, "no address"),))
    assert found(nothing) == [("warning", "daemon", "daemon-not-running"), ("warning", "daemon", "open-mode")]
    assert found(broken) == [
        ("problem", "a:1", "mistake-in-file"),
        ("warning", "daemon", "daemon-not-running"),
    ]


def test_a_bridge_that_is_down_is_not_blamed_for_its_carrier():
    """Of a bridge that is down, that is said and nothing of its carrier."""
    down = with_bridge(segment=replace(SEGMENT, up=False), carrier=False, members=())
    assert found(down) == [("problem", "vmbr1", "bridge-down")]


def test_the_worst_comes_first():
    """Problems come before warnings, and warnings before notes."""
    facts = replace(with_details(mac_fixed=False), daemon=None, protocol=None)
    assert [finding.severity.value for finding in diagnose(facts)] == ["problem", "warning", "note"]


def test_sessions_that_are_down_are_named():
    """A session that is down is named with its state, and the cure asks for the reason."""
    facts = with_frr(
        sessions=(UP4._replace(state="Active"), UP6, UP6._replace(neighbour="up9", state="Idle"))
    )
    first, second = diagnose(facts)
    assert first.message == (
        "no BGP session is up in address-family ipv4 unicast, so no BGP neighbour learns of the guests there: "
        "198.51.100.0 (Active)"
    )
    assert second.message == "BGP sessions are down in address-family ipv6 unicast: up9 (Idle)"
    assert str(second.cure) == (
        "vtysh -c 'show bgp neighbors up9' says why; `neighbor … shutdown` if that is meant"
    )


def test_bridge_in_a_vrf():
    """A bridge in a VRF wants `redistribute kernel` in that VRF's instance, and no other."""
    sessions = UP4._replace(vrf="red"), UP6._replace(vrf="red")
    red = Frr((10, 3), FRR.daemons, (Redistribution("red", 4, "R"), Redistribution("red", 6, "R")), sessions)
    assert diagnose(replace(with_bridge(vrf="red"), frr=red)) == []
    assert found(replace(RIGHT, frr=red)) == [("problem", "frr", "no-redistribute-kernel")] * 2


def test_bridge_whose_table_is_redistributed_directly():
    """`table-direct` in any instance advertises the guests of that table, and needs a route-map and sessions there."""
    bridge = with_bridge(vrf="red", segment=replace(SEGMENT, table=10))
    direct = tuple(Redistribution(None, family, f"R{family}", table=10) for family in (4, 6))
    assert diagnose(replace(bridge, frr=replace(FRR, redistributions=direct))) == []
    without = (direct[0], direct[1]._replace(route_map=None))
    bgp = replace(FRR, redistributions=without, instances={None: "router bgp 65001"})
    (finding,) = diagnose(replace(bridge, frr=bgp))
    assert "redistribute table-direct 10 route-map RDNBR6" in str(finding.cure)
    down = replace(FRR, redistributions=direct, sessions=(UP4,))
    assert found(replace(bridge, frr=down)) == [("problem", "frr", "bgp-no-session")]


@pytest.mark.parametrize(
    ("facts", "command"),
    [
        (with_settings(ipv4__conf__vmbr1__proxy_arp=1), "net.ipv4.conf.vmbr1.proxy_arp=0"),
        (with_settings(ipv4__conf__all__proxy_arp=1), "net.ipv4.conf.all.proxy_arp=0"),
        (
            with_settings(ipv4__conf__all__proxy_arp=1, ipv4__conf__vmbr1__proxy_arp=1),
            "net.ipv4.conf.all.proxy_arp=0 net.ipv4.conf.vmbr1.proxy_arp=0",
        ),
        (
            with_settings(ipv4__conf__all__rp_filter=1, ipv4__conf__vmbr1__rp_filter=0),
            "net.ipv4.conf.vmbr1.rp_filter=2",
        ),
        (with_settings(ipv6__conf__all__forwarding=0), "net.ipv6.conf.all.forwarding=1"),
        (with_settings(ipv6__conf__vmbr1__forwarding=0), "net.ipv6.conf.vmbr1.forwarding=1"),
    ],
)
def test_the_cure_changes_no_more_than_it_has_to(facts, command):
    """The cure sets the device's value where that is enough, and `all` only where it is not."""
    (finding,) = diagnose(facts)
    assert finding.cure.commands == (f"sysctl -w {command}",)
    written = [f"echo {one} >> /etc/sysctl.d/95-rdnbr-local.conf" for one in command.split()]
    assert finding.cure.lasting == tuple(written)


def test_a_dot_in_a_device_is_a_slash_in_a_setting():
    """The cure names a device with a dot as sysctl wants it."""
    bridge = replace(BRIDGE, segment=replace(SEGMENT, name="br.5"))
    facts = replace(RIGHT, bridges=(bridge,), settings={"ipv6/conf/br.5/forwarding": 0})
    (finding,) = diagnose(facts)
    assert "net.ipv6.conf.br/5.forwarding=1" in str(finding.cure)


def test_many_ports_are_not_all_named():
    """Of five hundred idle ports five are named, and the rest counted."""
    taps = tuple(replace(TAP, index=100 + n, name=f"tap{100 + n}i0", carrier=False) for n in range(500))
    (finding,) = diagnose(with_bridge(members=(KEEP, TAP, *taps)))
    assert finding.message.endswith(": tap100i0, tap101i0, tap102i0, tap103i0, tap104i0 and 495 more")


def test_clock_that_nobody_keeps():
    """Only newest-wins compares clocks."""
    adrift = replace(RIGHT, clock_synchronised=False)
    assert found(replace(adrift, mobility="newest-wins")) == [("warning", "node", "clock-adrift")]
    assert found(adrift) == []


def test_one_metric_for_all():
    """A route-map that sets the metric takes away what newest-wins is about; without newest-wins it does no harm."""
    levelled = with_frr(
        redistributions=(Redistribution(None, 4, "R4", one_metric=True), Redistribution(None, 6, "R6"))
    )
    assert found(replace(levelled, mobility="newest-wins")) == [("warning", "frr", "metric-levelled")]
    assert found(levelled) == found(replace(RIGHT, mobility="newest-wins")) == []


DROPPING = tuple(read_save("*filter\n:FORWARD DROP\n:INPUT ACCEPT\nCOMMIT\n", "ip", "iptables"))


def test_filter_that_drops_is_found_and_bridged_frames_pass_it_too():
    """A FORWARD policy that drops is found with its cure; br_netfilter, which widens it, only where something drops."""
    calls = SETTINGS | {"bridge/bridge-nf-call-iptables": 1, "bridge/bridge-nf-call-arptables": 0}
    (finding,) = diagnose(replace(RIGHT, filters=DROPPING, uplinks={4: "eth0"}))
    assert (finding.severity.value, finding.about, finding.name) == ("problem", "vmbr1", "forward-drops")
    assert finding.cure.commands == (
        "iptables -I FORWARD -i vmbr1 -j ACCEPT",
        "iptables -I FORWARD -o vmbr1 -j ACCEPT",
    )
    assert found(replace(RIGHT, filters=DROPPING, settings=calls)) == [
        ("problem", "vmbr1", "forward-drops"),
        ("warning", "vmbr1", "bridge-nf-call"),
    ]
    assert found(replace(RIGHT, settings=calls)) == []
    assert found(replace(RIGHT, filters=HIDDEN)) == [("note", "node", "not-seen")]


def test_failed_gateway_is_one_finding_with_the_guest_in_it():
    """A gateway address that failed DAD is not reported as missing too; who has it is named, if it was heard."""
    (finding,) = diagnose(
        with_failed(claimants={parse_ip("fe80::1"): Claimant("52:02:45:00:00:01", "tap100i0")})
    )
    assert finding.message.startswith(
        "fe80::1 failed duplicate address detection, since 52:02:45:00:00:01 on tap100i0 has it"
    )
    assert finding.cure.commands == (
        "sysctl -w net.ipv6.conf.vmbr1.accept_dad=0",
        "ip address del fe80::1/64 dev vmbr1",
        "ip address add fe80::1/64 dev vmbr1 nodad",
    )
    assert finding.cure.advice.startswith("take it from that guest, or set tap100i0 down")
    (finding,) = diagnose(with_failed())
    assert "since another host on the bridge has it" in finding.message


def test_guest_whose_rule_says_connected_is_no_finding():
    """The operator knows that the prefix contains the guest."""
    allowlist = parse([("allowlist", "2.57.57.0/24\n198.51.100.9 connected")])
    assert diagnose(replace(RIGHT, allowlist=allowlist, **GUEST_IN_PREFIX)) == []


@pytest.mark.parametrize(
    ("common", "bridge", "uplink", "command", "message"),
    [
        (0, 0, 0, "net.ipv4.ip_forward=1", "of and to guests are not forwarded: forwarding is off"),
        (0, 1, 0, "net.ipv4.ip_forward=1", "to guests are not forwarded: forwarding is off"),
        (
            1,
            1,
            0,
            "net.ipv4.conf.eth0.forwarding=1",
            "to guests are not forwarded: forwarding is off on eth0",
        ),
        (
            1,
            0,
            0,
            "net.ipv4.conf.vmbr1.forwarding=1 net.ipv4.conf.eth0.forwarding=1",
            "of and to guests are not forwarded: forwarding is off on vmbr1 and eth0",
        ),
    ],
)
def test_forwarding_is_needed_where_packets_come_in(common, bridge, uplink, command, message):
    """IPv4 is forwarded from the bridge and from the uplink; the cure turns on what is off, and no more."""
    values = {"all": common, "vmbr1": bridge, "eth0": uplink}
    settings = SETTINGS | {f"ipv4/conf/{name}/forwarding": value for name, value in values.items()}
    (finding,) = diagnose(replace(RIGHT, settings=settings, uplinks={4: "eth0"}))
    assert (finding.name, finding.message) == ("ipv4-forwarding-off", f"IPv4 packets {message}")
    assert finding.cure.commands == (f"sysctl -w {command}",)


def test_daemon_that_hangs():
    """A daemon that does not answer is running, and is to be started anew."""
    (finding,) = diagnose(replace(RIGHT, daemon="hangs"))
    assert (finding.severity.value, finding.name) == ("problem", "daemon-hangs")
    assert finding.cure.commands == ("systemctl restart rdnbr",)


def test_redistribution_is_cured_for_this_as_and_this_bridge():
    """The cure names the AS, the VRF and the bridge, and makes a route-map that lets nothing else pass."""
    bare = with_frr(redistributions=FRR.redistributions[:1], instances={None: "router bgp 65001"})
    (finding,) = diagnose(bare)
    assert finding.cure.commands == (
        "vtysh -c 'configure terminal' -c 'route-map RDNBR6 permit 10' -c 'match interface vmbr1'",
        configure_frr(
            "router bgp 65001", "address-family ipv6 unicast", "redistribute kernel route-map RDNBR6"
        ),
    )
    assert finding.cure.lasting == ("vtysh -c 'write memory'",)
    there = replace(bare, frr=replace(bare.frr, route_maps={"RDNBR6": RouteMap("RDNBR6", 10, ())}))
    assert len(diagnose(there)[0].cure.commands) == 1
    (finding,) = diagnose(with_frr(redistributions=FRR.redistributions[:1]))
    assert finding.cure.commands == ()


def test_session_that_is_shut_down_is_cured_by_its_neighbour():
    """The cure of a session that the configuration keeps down is the line that ends that."""
    facts = with_frr(sessions=(UP4._replace(state="Idle (Admin)"), UP6), instances={None: "router bgp 65001"})
    (finding,) = diagnose(facts)
    assert finding.cure.commands == (
        "vtysh -c 'configure terminal' -c 'router bgp 65001' -c 'no neighbor 198.51.100.0 shutdown'",
    )
