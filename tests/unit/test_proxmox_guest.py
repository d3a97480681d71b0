"""What is read out of the configuration of a Proxmox guest, and out of its firewall's."""

from pathlib import Path

import pytest
from proxmox_tree import Tree

QEMU = """\
#ipconfig0: ip=192.0.2.1/32 in the notes is no setting
boot: order=scsi0;net0
cores: 2
ipconfig0: ip=2.57.57.30/32,gw=169.254.0.1,ip6=2001:678:3a4:100::80/128,gw6=fe80::1
ipconfig1: ip=10.9.9.9/24
name: web1
net0: virtio=52:02:45:76:D2:35,bridge=vmbr1,firewall=1,queues=4
net1: virtio=52:02:45:76:D2:36,bridge=vmbr0,mtu=1400
parent: before-upgrade

[PENDING]
net0: virtio=52:02:45:76:D2:99,bridge=vmbr1

[before-upgrade]
ipconfig0: ip=192.0.2.2/32
net0: virtio=52:02:45:76:D2:98,bridge=vmbr1
snaptime: 1700000000

[special:cloudinit]
ipconfig0: ip=192.0.2.3/32
"""

LXC = """\
arch: amd64
hostname: db
net0: name=eth0,bridge=vmbr1,gw=169.254.0.1,hwaddr=BC:24:11:00:00:01,ip=2.57.57.31/32,ip6=2001:db8::31/128
lxc.cap.drop: sys_admin

[pve:pending]
net0: name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=192.0.2.4/32
"""

CARD = "net0: virtio=52:02:45:76:D2:35,bridge=vmbr1\n"
PIN = "mac=52:02:45:76:d2:35 vm=100"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def rules(tree: Tree) -> list[str]:
    assert tree.run() == 0
    return tree.rules()


def complaint(tree: Tree, capsys: pytest.CaptureFixture[str]) -> str:
    assert tree.run() == 1
    return capsys.readouterr().err.splitlines()[0]


def test_a_virtual_machine_has_the_addresses_of_ipconfig(tree: Tree) -> None:
    """Rules are made of what the configuration says now: not of notes, snapshots, pending changes or old images."""
    tree.guest(100, QEMU)
    assert rules(tree) == [f"2.57.57.30 {PIN}", f"2001:678:3a4:100::80 {PIN}"]


def test_a_container_has_the_addresses_of_its_net(tree: Tree) -> None:
    """A container's addresses and MAC are in its netN."""
    tree.guest(101, LXC, kind="lxc")
    pin = "mac=bc:24:11:00:00:01 vm=101"
    assert rules(tree) == [f"2.57.57.31 {pin}", f"2001:db8::31 {pin}"]


def test_a_length_is_that_of_the_link(tree: Tree) -> None:
    """An address with the length of its link, as cloud-init wants it, is one host."""
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/24,ip6=2001:db8::80/64\n")
    assert rules(tree) == [f"2.57.57.30 {PIN}", f"2001:db8::80 {PIN}"]


@pytest.mark.parametrize("value", ["dhcp", "auto", "manual"])
def test_who_asks_others_for_an_address_has_none_here(tree: Tree, value: str) -> None:
    """dhcp, auto and manual are no addresses, and no mistakes."""
    tree.guest(100, CARD + f"ipconfig0: ip=2.57.57.30/32,ip6={value}\n")
    assert rules(tree) == [f"2.57.57.30 {PIN}"]


def test_a_card_without_address_is_named(tree: Tree) -> None:
    """The file says which card on the guests' bridge has no address, since it will not get any."""
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/32\nnet1: virtio=52:02:45:76:D2:36,bridge=vmbr1\n")
    tree.run()
    assert "# no address is known for net1, so it gets none" in tree.allowlist.read_text()


def test_a_tagged_card_has_no_rule(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """A card with a VLAN tag is on another bridge than it says, where nobody listens: file and warning say so."""
    tagged = "net1: virtio=52:02:45:76:D2:36,bridge=vmbr1,tag=30\nipconfig1: ip=2.57.57.31/32\n"
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/32\n" + tagged)
    said = (
        "net1 has a VLAN tag, so rdnbr does not serve it and it gets no rule: Proxmox plugs it into vmbr1v30; "
        "remove the tag\n"
    )
    assert rules(tree) == [f"2.57.57.30 {PIN}"]
    assert f"\n# {said}" in tree.allowlist.read_text()
    assert capsys.readouterr().err.endswith(f": warning: vm 100: {said}")


def test_a_guest_with_a_tagged_card_alone_is_warned_of(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning is there also where no rule is left, and no file is written."""
    tree.guest(100, CARD.replace("vmbr1", "vmbr1,tag=30") + "ipconfig0: ip=2.57.57.30/32\n")
    assert ": warning: vm 100: net0 has a VLAN tag, " in complaint(tree, capsys)


def test_templates_have_no_rules(tree: Tree) -> None:
    """A template never runs, so its address is free for what is cloned from it."""
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/32\n")
    tree.guest(900, CARD + "ipconfig0: ip=2.57.57.30/32\ntemplate: 1\n")
    assert rules(tree) == [f"2.57.57.30 {PIN}"]


def test_the_bridge_is_chosen(tree: Tree) -> None:
    """--bridge takes names and globs, and replaces vmbr1."""
    tree.guest(100, QEMU)
    assert tree.run("--bridge", "guests", "--bridge", "vmbr[0]") == 0
    assert tree.rules() == ["10.9.9.9 mac=52:02:45:76:d2:36 vm=100"]


@pytest.mark.parametrize(
    "card",
    [
        "e1000=52:02:45:76:D2:35,bridge=vmbr1",
        "bridge=vmbr1,vmxnet3=52:02:45:76:d2:35,link_down=1",
        "model=virtio,macaddr=52:02:45:76:D2:35,bridge=vmbr1",
    ],
)
def test_every_way_to_write_a_mac_is_understood(tree: Tree, card: str) -> None:
    """The MAC is the model's value, whatever the model and the order, or stands alone."""
    tree.guest(100, f"net0: {card}\nipconfig0: ip=2.57.57.30/32\n")
    assert rules(tree) == [f"2.57.57.30 {PIN}"]


def test_a_card_without_mac_is_pinned_by_its_guest(tree: Tree) -> None:
    """Proxmox gives such a card another MAC at each start, so only the number of the guest pins its addresses."""
    tree.guest(100, "net0: virtio,bridge=vmbr1\nipconfig0: ip=2.57.57.30/32\n")
    assert rules(tree) == ["2.57.57.30 vm=100"]


FILTERS = """\
[OPTIONS]
enable: 1
ipfilter: 1

[aliases]
Mine 2001:db8:1::/64 # the guest's own
both 192.0.2.1

[IPSET ipfilter-net0] # what it may send from
2.57.57.30 # its address
dc/Vip
guest/mine
both
! 2001:db8:1::9 # that is another's
fe80::/10

[IPSET ipfilter-net1]
198.51.100.1

[IPSET other]
198.51.100.2

[group ipfilter-net0]
198.51.100.3

[RULES]
IN ACCEPT -source 198.51.100.4
"""

DATACENTER = """\
[ALIASES]
VIP 203.0.113.10
both 192.0.2.2
"""


def test_a_guest_has_what_its_ipfilter_names(tree: Tree) -> None:
    """Addresses, prefixes, exceptions and aliases of ipfilter-net0 count; the guest's alias before the cluster's."""
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/32\n")
    tree.firewall(100, FILTERS)
    tree.firewall("cluster", DATACENTER)
    assert rules(tree) == [
        f"2.57.57.30 {PIN}",
        f"203.0.113.10 {PIN}",
        f"2001:db8:1::/64 {PIN}",
        f"192.0.2.1 {PIN}",
        f"deny 2001:db8:1::9 {PIN}",
    ]


def test_the_file_says_where_a_rule_is_from(tree: Tree) -> None:
    """Each rule is followed by the settings that ask for it, and each guest's rules follow its name."""
    tree.guest(100, CARD + "name: web1\nipconfig0: ip=2.57.57.30/32\n")
    tree.firewall(100, "[IPSET ipfilter-net0]\n2.57.57.30\n")
    tree.run()
    lines = tree.allowlist.read_text().splitlines()
    assert lines[lines.index("# vm 100 web1") + 1].endswith("vm=100        # ipconfig0, ipfilter-net0")


def test_a_name_is_printable(tree: Tree) -> None:
    """Whatever a name has in it for a terminal to obey does not get into the file."""
    tree.guest(100, CARD + "name: we\x1b[2Jb\u2028\udcff\nipconfig0: ip=2.57.57.30/32\n")
    tree.run()
    assert "# vm 100 we?[2Jb?\ufffd\n" in tree.allowlist.read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2.57.57.300", "'2.57.57.300' is no address; write for example 2.57.57.30 or 2001:db8:1::/64"),
        ("2.57.57.30/24", "2.57.57.30/24 has bits set beyond its /24; write 2.57.57.0/24 for the range"),
        (
            "0.0.0.0/0",
            "0.0.0.0/0 is wider than /8; write a longer prefix, or add 'wide' if all of it is meant",
        ),
        ("guest/vip", "there is no alias 'guest/vip'; define it under [ALIASES], or write the address"),
        ("dc/mine", "there is no alias 'dc/mine'; define it under [ALIASES], or write the address"),
    ],
)
def test_a_mistake_in_a_filter_is_named(
    tree: Tree, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    """A line of a set that cannot be a rule is told by file and line, with the cure."""
    tree.guest(100, CARD)
    path = tree.firewall(100, f"[ALIASES]\nmine 192.0.2.1\n[IPSET ipfilter-net0]\n{line}\n")
    tree.firewall("cluster", "[ALIASES]\nvip 203.0.113.10\n")
    assert complaint(tree, capsys) == f"{path}:4: ipfilter-net0: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "ipconfig0: ip=2.57.57.300/32",
            "ipconfig0: ip=2.57.57.300/32 is no address; write for example 2.57.57.30/32",
        ),
        (
            "ipconfig0: ip=2.57.57.30#/32",
            "ipconfig0: ip=2.57.57.30#/32 is no address; write for example 2.57.57.30/32",
        ),
        (
            "net0: virtio=52:02:45:76:D2,bridge=vmbr1",
            "net0: '52:02:45:76:D2' is not a MAC address (six hexadecimal bytes such as 52:02:45:76:d2:35)",
        ),
    ],
)
def test_a_mistake_in_a_configuration_is_named(
    tree: Tree, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    """An address or a MAC that cannot be read is told by file and line, with the cure."""
    path = tree.guest(100, f"name: web1\n{CARD}{line}\n")
    assert complaint(tree, capsys) == f"{path}:3: {message}"


@pytest.mark.parametrize("line", ["ipconfig0 ip=2.57.57.30/32", "Net1: virtio,bridge=vmbr1", "cores:"])
def test_a_line_that_is_no_setting_is_named(
    tree: Tree, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """Nothing is passed over in silence, for it may have been an address."""
    path = tree.guest(100, f"{CARD}{line}\n")
    assert complaint(tree, capsys) == f"{path}:2: '{line}' is no setting; write it as 'name: value'"


def test_a_card_that_is_no_setting_costs_its_guest_nothing(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guest whose only card cannot be read keeps its rules: it may be on the bridge still."""
    tree.guest(100, CARD + "ipconfig0: ip=2.57.57.30/32\n")
    tree.run()
    capsys.readouterr()
    path = tree.guest(100, CARD.replace(": ", " ") + "ipconfig0: ip=2.57.57.30/32\n")
    assert complaint(tree, capsys).startswith(f"{path}:1: 'net0 virtio=")
    assert tree.rules() == [f"2.57.57.30 {PIN}"]


def test_what_a_container_says_to_lxc_is_no_mistake(tree: Tree) -> None:
    """Settings of LXC itself have dots in their names, and may be written with an equals sign."""
    raw = "lxc.mount.entry = /a b none\nlxc.apparmor.profile: unconfined\nlxc.cap.drop:\n"
    tree.guest(101, raw + LXC, kind="lxc")
    assert rules(tree)[0] == "2.57.57.31 mac=bc:24:11:00:00:01 vm=101"


def test_mistakes_on_other_bridges_are_none_of_ours(tree: Tree) -> None:
    """What is wrong with a card on another bridge does not concern the allowlist."""
    tree.guest(
        100,
        CARD + "ipconfig0: ip=2.57.57.30/32\nnet1: virtio=nonsense,bridge=vmbr0\nipconfig1: ip=nonsense\n",
    )
    tree.firewall(100, "[IPSET ipfilter-net1]\nnonsense\n")
    tree.guest(200, "net0: virtio,bridge=vmbr0\nnonsense\n")
    assert rules(tree) == [f"2.57.57.30 {PIN}"]
