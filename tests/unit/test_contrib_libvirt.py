"""libvirt's hook: what it writes of a guest's domain, and that it never keeps a guest from starting."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HOOK = Path(__file__).parents[2] / "contrib" / "libvirt" / "qemu_hook.py"
UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
DOMAIN = """\
<domain type='kvm'>
  <name>web1</name>
  <uuid>{uuid}</uuid>
  <metadata>
    <other:thing xmlns:other='urn:other'>192.0.2.1</other:thing>
    <rdnbr:addresses xmlns:rdnbr='urn:rdnbr'>{addresses}</rdnbr:addresses>
  </metadata>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:12:34:56'/><source bridge='vmbr1'/><port isolated='yes'/>
    </interface>
    <interface type='network'>
      <mac address='52:54:00:12:34:57'/><source network='default' bridge='virbr0'/>
    </interface>
  </devices>
</domain>
"""


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("qemu_hook", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DIRECTORY", tmp_path / "allowlist.d")
    # `rdnbr check` is that of the same environment.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return module


def call(hook: ModuleType, monkeypatch: pytest.MonkeyPatch, operation: str, addresses: str) -> str | None:
    """Call it as libvirt does, and return what the guest's allowlist is then."""
    monkeypatch.setattr(sys, "argv", ["qemu", "web1", operation, "begin", "-"])
    domain = DOMAIN.format(uuid=UUID, addresses=addresses).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(domain)))
    hook.main()
    path = hook.DIRECTORY / f"libvirt-{UUID}.conf"
    return path.read_text() if path.exists() else None


def there(hook: ModuleType) -> None:
    """Let a guest have come earlier."""
    hook.DIRECTORY.mkdir()
    (hook.DIRECTORY / f"libvirt-{UUID}.conf").write_text(WRITTEN)


WRITTEN = """\
# 'web1', by libvirt's hook
2.57.57.30/32 mac=52:54:00:12:34:56
2001:db8:100::/64 mac=52:54:00:12:34:56
"""


@pytest.mark.parametrize("operation", ["prepare", "migrate", "reconnect"])
def test_a_guest_that_comes_has_its_addresses(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Whatever way a guest comes, each address of its metadata is permitted to its cards on the guests' bridge."""
    assert call(hook, monkeypatch, operation, "2.57.57.30\n 2001:db8:100::/64") == WRITTEN


def test_a_guest_that_goes_keeps_them(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that is off has its addresses still: nobody else gets them."""
    there(hook)
    assert call(hook, monkeypatch, "release", "") == WRITTEN


def test_a_guest_without_metadata_has_no_file(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests that do not use this are left to the allowlist by hand."""
    assert call(hook, monkeypatch, "prepare", "") is None


@pytest.mark.parametrize("addresses", ["2.57.57.300", "2.57.57.30/24", "fe80::1"])
def test_a_mistake_changes_nothing(hook: ModuleType, monkeypatch: pytest.MonkeyPatch, addresses: str) -> None:
    """What cannot be read, and what rdnbr refuses, replaces no rules that were there."""
    there(hook)
    with pytest.raises(ValueError, match=addresses.partition("/")[0]):
        call(hook, monkeypatch, "prepare", addresses)
    assert [path.name for path in hook.DIRECTORY.iterdir()] == [f"libvirt-{UUID}.conf"]
    assert (hook.DIRECTORY / f"libvirt-{UUID}.conf").read_text() == WRITTEN


def test_without_rdnbr_it_says_so(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rdnbr is not on libvirt's PATH nothing is written, and the cure is told."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="libvirt finds no rdnbr; ln -s"):
        call(hook, monkeypatch, "prepare", "2.57.57.30")
    assert list(hook.DIRECTORY.iterdir()) == []


@pytest.mark.parametrize("operation", ["prepare", "reconnect", "stopped"])
def test_the_hook_never_fails(operation: str) -> None:
    """Whatever is wrong, the exit code is 0 and nothing is on standard output, where libvirt expects a domain."""
    done = subprocess.run(
        [sys.executable, str(HOOK), "web1", operation, "begin", "-"],
        input="<nonsense",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        done.stderr.startswith("rdnbr: the allowlist of ['web1'] stays as it is: ") or operation == "stopped"
    )


def test_networkd_makes_the_same_bridge() -> None:
    """The bridge of contrib/network/networkd has the MAC, the addresses and the keeper of that for ifupdown2."""
    network = HOOK.parents[1] / "network"
    files = {path.name: path.read_text().splitlines() for path in (network / "networkd").iterdir()}
    words = [
        line.split(maxsplit=1) for line in (network / "interfaces").read_text().splitlines() if line.strip()
    ]
    (mac,) = (value for option, value in words if option == "hwaddress")
    assert f"MACAddress={mac}" in files["vmbr1.netdev"]
    assert [f"Address={value}" for option, value in words if option == "address"] == [
        line for line in files["vmbr1.network"] if line.startswith("Address=")
    ]
    assert {"Name=vmbr1keep", "Kind=dummy"} <= set(files["vmbr1keep.netdev"])
    assert {"Name=vmbr1keep", "Bridge=vmbr1"} <= set(files["vmbr1keep.network"])
