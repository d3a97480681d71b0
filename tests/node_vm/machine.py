"""The node: QEMU with Debian 13, and its root's shell by ssh."""

import json
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from rdnbr.lab import wait_for

_BOOT_WITHIN = 420.0
"""Seconds: 90 on an idle processor, which must emulate another, and several times that on a busy one."""
_COMMANDS = Path(__file__).parent / "commands"
_BLACKLIST = "vmw_vsock_vmci_transport,vmw_vmci,vsock,kvm_amd,kvm_intel,kvm,powernow_k8,pcspkr"
"""Modules that udev would load for the emulated processor and board."""


class Machine:
    """One node, whose disk is as the image has it when it is switched on, and keeps what is written over a reboot.

    It has one processor: two panic under emulation, in code that the kernel patches at run time. It reaches nothing.
    The tests come in by this machine's loopback.
    """

    def __init__(self, image: Path, directory: Path) -> None:
        """Switch the node on, and wait for its ssh."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.console = directory / "console.log"
        self._ssh = (
            *("ssh", "-q", "-i", str(image / "key"), "-p", str(self._port), "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10", "-o", "ControlMaster=auto"),
            *(
                "-o",
                f"ControlPath={directory}/ssh",
                "-o",
                "ControlPersist=600",
                "-o",
                "ServerAliveInterval=20",
            ),
            "root@127.0.0.1",
        )
        words = "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off tsc=reliable net.ifnames=0"
        self._monitor = directory / "qmp"
        self._qemu = subprocess.Popen(
            [
                *(
                    "qemu-system-x86_64",
                    "-nodefaults",
                    "-no-user-config",
                    "-display",
                    "none",
                    "-machine",
                    "pc",
                ),
                *("-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "1", "-m", "1G"),
                *("-kernel", str(image / "kernel"), "-initrd", str(image / "initramfs")),
                *("-append", f"{words} lsm=capability module_blacklist={_BLACKLIST}"),
                *("-drive", f"file={image}/disk,if=virtio,format=raw,snapshot=on,cache=unsafe"),
                *("-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-10.0.2.15:22"),
                *("-device", "virtio-net-pci,netdev=net0,romfile=", "-device", "virtio-rng-pci"),
                *("-serial", f"file:{self.console}", "-qmp", f"unix:{self._monitor},server=on,wait=off"),
            ],
            stdin=subprocess.DEVNULL,
        )
        self.booted_in = self._wait_until_up()
        self.send(_COMMANDS, "/usr/local/sbin")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._qemu.kill()
        self._qemu.wait()

    def _wait_until_up(self, *, but_not: str = "") -> float:
        began = time.monotonic()

        def up() -> bool:
            assert self._qemu.poll() is None, (
                f"QEMU ended; the console has {self.console.read_text()[-2000:]}"
            )
            time.sleep(1)  # between two attempts, which take processor time of the node
            done = self.attempt("cat /proc/sys/kernel/random/boot_id", within=30)
            return done.returncode == 0 and done.stdout.strip() not in ("", but_not)

        wait_for(up, _BOOT_WITHIN, f"the node's ssh; its console is {self.console}")
        return time.monotonic() - began

    def attempt(self, script: str, within: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root in the node; exit code 124 says that it took longer than `within` seconds."""
        command = [*self._ssh, shlex.join(["bash", "-c", script])]
        try:
            return subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=within,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"took longer than {within} s")

    def run(self, script: str, within: float = 120.0) -> str:
        """Run a shell script, which ends at its first failing command, and return what it wrote."""
        done = self.attempt(f"set -euo pipefail\n{script}", within)
        assert done.returncode == 0, f"{script}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def until(self, condition: str, within: float, what: str) -> float:
        """Wait until a condition of the shell holds in the node; return the seconds that it took there."""
        script = f"""
            began=${{EPOCHREALTIME/./}}
            until {condition}; do
                [ $((${{EPOCHREALTIME/./}} - began)) -lt {int(within * 1e6)} ] || exit 1
                sleep 0.1
            done >/dev/null 2>&1
            echo $((${{EPOCHREALTIME/./}} - began))
        """
        done = self.attempt(script, within + 60)
        assert done.returncode == 0, f"not within {within} s: {what}\n{self.state()}{done.stderr}"
        return int(done.stdout.split()[-1]) / 1e6

    def state(self) -> str:
        """Return what helps to understand a failure."""
        return self.attempt(
            "systemctl status --no-pager -n 20 rdnbr; ip addr show vmbr1; ip route show proto 171; "
            "ip -6 route show proto 171; ip neigh show nud permanent; rdnbr show; vtysh -c 'show bgp summary'"
        ).stdout

    def send(self, directory: Path, into: str) -> None:
        """Copy the files of a directory of this machine into one of the node."""
        packed = subprocess.run(["tar", "-C", directory, "-cf", "-", "."], check=True, stdout=subprocess.PIPE)
        unpack = [*self._ssh, f"mkdir -p {into} && tar -C {into} -xf -"]
        subprocess.run(unpack, check=True, input=packed.stdout, timeout=120)

    def reboot(self) -> float:
        """Have systemd reboot the node, and wait for its ssh; return the seconds that this took."""
        before = self.run("cat /proc/sys/kernel/random/boot_id").strip()
        self.attempt("systemctl reboot", within=30)
        self._leave_ssh()
        return self._wait_until_up(but_not=before)

    def cut_power(self) -> float:
        """Reset the node as a power failure would, and wait for its ssh; return the seconds that this took."""
        before = self.run("cat /proc/sys/kernel/random/boot_id; sync").split()[0]
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(str(self._monitor))
            lines = monitor.makefile("r")
            for command in ("qmp_capabilities", "system_reset"):
                monitor.sendall(json.dumps({"execute": command}).encode())
                while "return" not in json.loads(lines.readline()):
                    pass
        self._leave_ssh()
        return self._wait_until_up(but_not=before)

    def _leave_ssh(self) -> None:
        subprocess.run([*self._ssh[:-1], "-O", "exit", self._ssh[-1]], check=False, capture_output=True)
