"""rdnbr can read the allowlist made from a Proxmox cluster's files, whatever is in these files."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from proxmox_tree import Tree

from rdnbr.core.policy.allowlist import parse

ADDRESSES = [
    "2.57.57.30",
    "2.57.57.31/32",
    "10.0.0.5/24",
    "2001:db8::80/128",
    "2001:db8::81",
    "fe80::5/64",
    "10.0.0.7",
]
RANGES = [
    "2.57.57.0/24",
    "2001:db8:1::/64",
    "0.0.0.0/0",
    "fe80::/10",
    "dc/one",
    "guest/one",
    "one",
    "2.57.57.30/24",
]
odd = st.text(st.sampled_from("09af:./,=#! []\\\r\t\x00\x85\u2028é%*?-dhcp"), max_size=12) | st.text(
    max_size=6
)
addresses = st.sampled_from(ADDRESSES) | st.sampled_from(["dhcp", "auto", "manual"]) | odd
macs = st.sampled_from(["52:02:45:76:D2:35", "bc:24:11:00:00:01", "01:00:5e:00:00:01", "0:0:0:0:0:0"]) | odd
bridges = st.sampled_from(["vmbr1", "vmbr0", "", "vmbr1,"])
numbers = st.sampled_from(["0", "0", "1", "00", "", "99999"])
lines = (
    st.builds("net{}: virtio={},bridge={}".format, numbers, macs, bridges)
    | st.builds(
        "net{}: name=eth0,hwaddr={},bridge={},ip={},ip6={}".format,
        numbers,
        macs,
        bridges,
        addresses,
        addresses,
    )
    | st.builds("ipconfig{}: ip={},ip6={}".format, numbers, addresses, addresses)
    | st.builds("{}: {}".format, st.sampled_from(["name", "hostname", "template", "description"]), odd)
    | st.sampled_from(["[PENDING]", "[snap]", "#note"])
    | odd
)
filter_lines = (
    st.sampled_from(
        ["[IPSET ipfilter-net0]", "[ipset ipfilter-net1] # x", "[ALIASES]", "[OPTIONS]", "[IPSET other]"]
    )
    | st.builds("{}{}".format, st.sampled_from(["", "!", "! "]), st.sampled_from(ADDRESSES + RANGES) | odd)
    | st.builds("one {}".format, st.sampled_from(ADDRESSES + RANGES) | odd)
)
configs = st.lists(lines, max_size=8).map("\n".join)
firewalls = st.lists(filter_lines, max_size=6).map("\n".join)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([100, 101, 102]),
        st.tuples(st.sampled_from(["qemu", "lxc"]), configs, configs, firewalls),
    ),
    firewalls,
)
def test_written_files_can_be_read(guests, datacenter) -> None:
    """Configurations change twice. Each resulting file parses, and every rule has the number of an existing guest."""
    with TemporaryDirectory() as folder:
        tree = Tree(Path(folder))
        tree.firewall("cluster", encodable(datacenter))
        for change in (1, 2):
            for vm, (kind, *texts, firewall) in guests.items():
                tree.guest(vm, encodable(texts[change - 1]), kind=kind)
                tree.firewall(vm, encodable(firewall))
            assert tree.run() in (0, 1)
            if tree.allowlist.exists():
                rules = parse([("file", tree.allowlist.read_text())]).rules
                assert rules
                assert {rule.qualifiers.vm for rule in rules} <= set(guests)


@given(
    st.sampled_from(ADDRESSES), st.integers(0, 9), st.sampled_from(["52:02:45:76:D2:35", "bc:24:11:00:00:01"])
)
@settings(max_examples=30, deadline=None)
def test_every_well_formed_address_is_permitted(address: str, number: int, mac: str) -> None:
    """An address given to any network card has exactly one rule, for the address alone, unless it is link-local."""
    with TemporaryDirectory() as folder:
        tree = Tree(Path(folder))
        family = "ip6" if ":" in address else "ip"
        card = f"net{number}: virtio={mac},bridge=vmbr1\nipconfig{number}: {family}={address}\n"
        tree.guest(100, card)
        host = ip_address(address.partition("/")[0])
        if host in ip_network("fe80::/10"):
            assert tree.run() == 1
            assert not tree.allowlist.exists()
        else:
            assert tree.run() == 0
            assert tree.rules() == [f"{host} mac={mac.lower()} vm=100"]


def encodable(text: str) -> str:
    """Drop characters that no file can contain."""
    return text.encode("utf-8", "ignore").decode()
