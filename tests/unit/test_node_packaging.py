"""Files of systemd and iproute2 that the doctor reads."""

from pathlib import Path

import pytest

from rdnbr.core.model.address import parse_ip
from rdnbr.linux.host import networkd, rt_protos


@pytest.fixture
def running(tmp_path):
    """A machine on which networkd runs, and manages the third of its devices."""
    units = tmp_path / "run/systemd/units"
    units.mkdir(parents=True)
    (units / "invocation:systemd-networkd.service").symlink_to("0123456789abcdef")
    links = tmp_path / "run/systemd/netif/links"
    links.mkdir(parents=True)
    (links / "2").write_text("# private\nADMIN_STATE=unmanaged\nOPER_STATE=routable\n")
    (links / "3").write_text("# private\nADMIN_STATE=configured\nOPER_STATE=routable\n")
    return tmp_path


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_networkd_that_does_not_run(running):
    """A networkd that does not run removes nothing, whatever it left behind."""
    (running / "run/systemd/units/invocation:systemd-networkd.service").unlink()
    assert networkd.cleans(running) == frozenset()


def test_networkd_by_default(running):
    """By default it removes others' routes from the devices it manages."""
    assert networkd.cleans(running) == {3}


def test_networkd_told_not_to(running):
    """Told not to, it does not; a comment tells it nothing."""
    write(running, "etc/systemd/networkd.conf", "[Network]\n#ManageForeignRoutes=no\n")
    assert networkd.cleans(running) == {3}
    write(running, "etc/systemd/networkd.conf", "[Network]\nManageForeignRoutes=no\n")
    assert networkd.cleans(running) == frozenset()


def test_networkd_drop_ins(running):
    """Of drop-ins the last name counts, and of one name the file in /etc."""
    write(running, "usr/lib/systemd/networkd.conf", "[Network]\nManageForeignRoutes=yes\n")
    write(running, "usr/lib/systemd/networkd.conf.d/10-a.conf", "[Network]\nManageForeignRoutes=no\n")
    assert networkd.cleans(running) == frozenset()
    write(running, "etc/systemd/networkd.conf.d/10-a.conf", "[Network]\nManageForeignRoutes=yes\n")
    assert networkd.cleans(running) == {3}
    write(running, "run/systemd/networkd.conf.d/20-b.conf", "[Network]\nManageForeignRoutes=False\n")
    assert networkd.cleans(running) == frozenset()


VMBR1 = Path(__file__).parents[2] / "contrib/network/networkd/vmbr1.network"


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        (
            "[Match]\nName=vmbr1\n[Network]\nAddress=169.254.0.1/32\nAddress=fe80::1/64\n",
            ["169.254.0.1", "fe80::1"],
        ),
        ("[Address]\nAddress=169.254.0.1/32\n", ["169.254.0.1"]),
        ("[Address]\nAddress=169.254.0.1/32\nDuplicateAddressDetection=ipv6\n", []),
        ("[Address]\nDuplicateAddressDetection=ipv6\nAddress=fe80::1/64\n", ["fe80::1"]),
        ("[Network]\nAddress=10.0.0.1/24\n#Address=169.254.0.1/32\nAddress=nonsense\n", []),
        ("[DHCPServer]\nAddress=169.254.0.1/32\n", []),
        (VMBR1.read_text(), []),
    ],
)
def test_networkd_that_detects_conflicts(running, text, dropped):
    """Networkd looks for conflicts of link-local addresses unless told not to; the shipped file tells it."""
    write(running, "etc/systemd/network/vmbr1.network", text)
    state = running / "run/systemd/netif/links/3"
    state.write_text("ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/vmbr1.network\n")
    assert networkd.conflict_detection(3, running) == tuple(map(parse_ip, dropped))
    assert networkd.conflict_detection(2, running) == ()
    (running / "run/systemd/units/invocation:systemd-networkd.service").unlink()
    assert networkd.conflict_detection(3, running) == ()


def test_networkd_detects_conflicts_of_addresses_in_drop_ins(running):
    """The addresses of drop-ins count as well."""
    write(running, "etc/systemd/network/vmbr1.network", VMBR1.read_text())
    write(running, "etc/systemd/network/vmbr1.network.d/a.conf", "[Network]\nAddress=169.254.1.1/32\n")
    state = running / "run/systemd/netif/links/3"
    folder = "/etc/systemd/network/vmbr1.network"
    state.write_text(
        f'ADMIN_STATE=configured\nNETWORK_FILE={folder}\nNETWORK_FILE_DROPINS="{folder}.d/a.conf:/gone.conf"\n'
    )
    assert networkd.conflict_detection(3, running) == (parse_ip("169.254.1.1"),)


def test_protocol_without_a_name(tmp_path):
    """A protocol that no file names has none."""
    write(tmp_path, "etc/iproute2/rt_protos", "# 171 commented\n170 other\n1711 longer\n")
    assert rt_protos.name_of(171, tmp_path) is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/iproute2/rt_protos.d/rdnbr.conf", "# ours\n171 rdnbr # routes\n"),
        ("etc/iproute2/rt_protos", "1\tredirect\n0xab\trdnbr\n"),
        ("usr/share/iproute2/rt_protos.d/rdnbr.conf", "171\trdnbr"),
    ],
)
def test_protocol_with_a_name(tmp_path, path, text):
    """A name is found wherever iproute2 looks for it, also in hexadecimal."""
    write(tmp_path, path, text)
    assert rt_protos.name_of(171, tmp_path) == "rdnbr"
