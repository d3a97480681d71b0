"""The allowlist file of a Proxmox node: when it is written, when it is left alone, and what it keeps."""

import os
import threading
from pathlib import Path

import pytest
from proxmox_tree import Tree

from rdnbr.config.config import load_allowlist

WEB = "name: web\nnet0: virtio=52:02:45:76:D2:35,bridge=vmbr1\nipconfig0: ip=2.57.57.30/32\n"
DB = "name: db\nnet0: virtio=52:02:45:76:D2:36,bridge=vmbr1\nipconfig0: ip=2.57.57.31/32\n"
BROKEN = "name: db\nnet0: virtio=52:02:45:76:D2:36,bridge=vmbr1\nipconfig0: ip=2.57.57.311/32\n"
WEB_RULE = "2.57.57.30 mac=52:02:45:76:d2:35 vm=100"
DB_RULE = "2.57.57.31 mac=52:02:45:76:d2:36 vm=101"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.guest(100, WEB)
    tree.guest(101, DB, node="pve2")
    return tree


def test_guests_stand_in_the_order_of_their_numbers(tree: Tree) -> None:
    """All guests of all nodes are in the file, by number, so that it is the same on all nodes."""
    tree.guest(99, "net0: virtio=52:02:45:76:D2:34,bridge=vmbr1\nipconfig0: ip=2.57.57.29/32\n", node="pve3")
    assert tree.run() == 0
    assert tree.rules() == ["2.57.57.29 mac=52:02:45:76:d2:34 vm=99", WEB_RULE, DB_RULE]


def test_migration_changes_nothing(tree: Tree) -> None:
    """The file does not say where a guest is, so the target's node knows it already."""
    tree.run()
    before = tree.allowlist.stat()
    tree.guest(100, WEB, node="pve2")
    assert tree.run() == 0
    assert tree.allowlist.stat() == before


def test_nothing_is_written_when_nothing_changed(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that changes nothing leaves the very file, so that rdnbr has nothing to reload, and says nothing."""
    tree.run()
    before = tree.allowlist.stat()
    capsys.readouterr()
    assert tree.run() == 0
    assert tree.allowlist.stat() == before
    assert capsys.readouterr().err == ""


def test_the_file_is_replaced_in_one_piece(tree: Tree) -> None:
    """Who has the old file open goes on reading the old rules; nothing else is left in the directory."""
    tree.run()
    with tree.allowlist.open() as old:
        tree.guest(100, WEB.replace("2.57.57.30", "2.57.57.40"))
        tree.run()
        assert "2.57.57.30 " in old.read()
    assert "2.57.57.40 " in tree.allowlist.read_text()
    assert [path.name for path in tree.allowlist.parent.iterdir()] == ["50-proxmox.conf"]


def test_everybody_may_read_the_file(tree: Tree) -> None:
    """The daemon runs as a user of its own, which has to read the rules."""
    tree.run()
    assert tree.allowlist.stat().st_mode & 0o777 == 0o644


def test_a_guest_that_goes_loses_its_rules(tree: Tree) -> None:
    """Rules go with the guest that had them."""
    tree.run()
    tree.remove(101)
    assert tree.run() == 0
    assert tree.rules() == [WEB_RULE]


def test_a_guest_that_migrates_meanwhile_is_found(tree: Tree) -> None:
    """A guest that changes nodes while the others are read is looked for again where it went."""
    slow = tree.guest(100, WEB)
    slow.unlink()
    os.mkfifo(slow)

    def migrate() -> None:
        with slow.open("w") as pipe:  # waits until guest 100 is being read
            slow.unlink()
            slow.write_text(WEB)
            tree.guest(101, DB, node="pve3")
            pipe.write(WEB)

    migration = threading.Thread(target=migrate, daemon=True)
    migration.start()
    assert tree.run() == 0
    migration.join(timeout=10)
    assert tree.rules() == [WEB_RULE, DB_RULE]


def test_without_the_cluster_filesystem_the_file_stays(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty /etc/pve is one that is not mounted: nothing is written, and the exit code says so."""
    tree.run()
    tree.pve.joinpath(".vmlist").unlink()
    capsys.readouterr()
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]
    assert capsys.readouterr().err == (
        f"{tree.pve}/.vmlist: cannot be read: No such file or directory; see that pve-cluster.service is running; "
        f"{tree.allowlist} stays as it is\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"ids": 5}',
        '{"ids": {"100": {"node": "pve1"}}}',
        '{"ids": {"100": {"node": 5, "type": "qemu"}}}',
        '{"ids": {"100": {"node": "../..", "type": "qemu"}}}',
        '{"ids": {"web": {"node": "pve1", "type": "qemu"}}}',
    ],
)
def test_a_list_of_guests_that_is_none_changes_nothing(tree: Tree, text: str) -> None:
    """What pmxcfs would not write is not believed."""
    tree.run()
    tree.pve.joinpath(".vmlist").write_text(text)
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]


def test_a_file_without_rules_is_not_written(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that seems to have no guest with an address withdraws nobody."""
    tree.run()
    tree.remove(100)
    tree.remove(101)
    capsys.readouterr()
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]
    assert "no guest has an address on vmbr1" in capsys.readouterr().err


def test_a_mistake_costs_its_guest_nothing(tree: Tree) -> None:
    """A guest whose configuration cannot be understood keeps its rules, however often; the others go on changing."""
    tree.run()
    tree.guest(101, BROKEN, node="pve2")
    tree.guest(100, WEB.replace("2.57.57.30", "2.57.57.40"))
    for _ in range(2):
        assert tree.run() == 1
        assert tree.rules() == ["2.57.57.40 mac=52:02:45:76:d2:35 vm=100", DB_RULE]


def test_a_mended_guest_follows_its_configuration_again(tree: Tree) -> None:
    """Rules that were kept over a mistake end with it."""
    tree.run()
    tree.guest(101, BROKEN, node="pve2")
    tree.run()
    tree.guest(101, DB.replace("2.57.57.31", "2.57.57.41"), node="pve2")
    assert tree.run() == 0
    assert tree.rules() == [WEB_RULE, "2.57.57.41 mac=52:02:45:76:d2:36 vm=101"]


def test_a_new_guest_with_a_mistake_has_no_rules(tree: Tree) -> None:
    """Half of what a guest should have is not guessed, and the file does not pretend that there was something."""
    tree.guest(102, BROKEN)
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]
    assert (
        "# vm 102: has no rules yet, for there is a mistake in its configuration\n"
        in tree.allowlist.read_text()
    )


def test_a_guest_that_is_listed_and_not_there_keeps_its_rules(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration that cannot be read is a mistake of that guest alone."""
    tree.run()
    path = tree.guest(101, DB, node="pve2")
    path.unlink()
    capsys.readouterr()
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]
    assert capsys.readouterr().err.startswith(f"{path}:1: cannot be read: No such file or directory\n")


def test_what_somebody_wrote_into_the_file_does_not_matter(tree: Tree) -> None:
    """Lines that are no rules do not cost a guest with a mistake the rules that it had."""
    tree.run()
    with tree.allowlist.open("a") as file:
        file.write("nonsense\n")
    tree.guest(101, BROKEN, node="pve2")
    assert tree.run() == 1
    assert tree.rules() == [WEB_RULE, DB_RULE]


def test_an_address_of_two_guests_is_pointed_out(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """Both have a rule for it, which names the other; a warning says so whenever the file is written."""
    tree.guest(101, DB.replace("2.57.57.31", "2.57.57.30"))
    assert tree.run() == 0
    assert tree.rules() == [WEB_RULE, "2.57.57.30 mac=52:02:45:76:d2:36 vm=101"]
    assert "# ipconfig0, also of vm 101\n" in tree.allowlist.read_text()
    said = "warning: 2.57.57.30 belongs to the guests 100, 101: the first to claim it has it\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_rule_by_hand_stands_alone(tree: Tree) -> None:
    """A rule that another file has with a flag is left out here, where it would contradict that."""
    main = tree.allowlist.parent.with_name("allowlist")
    main.parent.mkdir()
    main.write_text(f"{WEB_RULE} vip\n")
    assert tree.run() == 0
    assert tree.rules() == [DB_RULE]
    assert f"# {WEB_RULE} is at {main}:1\n" in tree.allowlist.read_text()
    allowlist = load_allowlist(main, tree.allowlist.parent, required=True)
    assert allowlist is not None
    assert [str(rule) for rule in allowlist.rules] == [f"{WEB_RULE} vip", DB_RULE]


def test_print_writes_nothing(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """--print shows what would be written."""
    assert tree.run("--print") == 0
    assert not tree.allowlist.exists()
    assert WEB_RULE in " ".join(capsys.readouterr().out.split())


def test_a_file_that_cannot_be_written_is_told(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """A place where no file can be is named, and leads to no traceback."""
    tree.allowlist.parent.parent.mkdir()
    tree.allowlist.parent.write_text("a file where the directory should be")
    assert tree.run() == 1
    assert (
        capsys.readouterr().err
        == f"{tree.allowlist}: cannot be written: Not a directory; it stays as it is\n"
    )
