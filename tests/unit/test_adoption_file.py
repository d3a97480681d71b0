"""The file of the notes about adopted bindings: what is written is read, and what is broken counts as nothing."""

import os
from pathlib import Path

import pytest

from rdnbr.core.model.address import ZERO_MAC, parse_ip, parse_mac
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.fib_entries import Key
from rdnbr.linux.process.adoption_file import AdoptionFile

A, B = Key(254, parse_ip("2.57.57.30")), Key(4_294_967_295, parse_ip("2001:678:3a4:1000:2000:3000:4000:5000"))
ONE = AdoptionNote(A, parse_mac("52:02:45:00:00:01"), 1234.5678901234567, 3, 1299.1)
TWO = AdoptionNote(B, ZERO_MAC, 0.1 + 0.2 + 1e9)


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_was_written_is_read_exactly(tmp_path: Path):
    """All that one run notes the next one knows, to the last digit; only the daemon's user can read it."""
    AdoptionFile(tmp_path).replace([ONE, TWO])
    assert AdoptionFile(tmp_path).read() == {A: ONE, B: TWO}
    assert the_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_without_a_file_there_are_no_notes(tmp_path: Path):
    """At a first start nothing is known, nor where the directory is missing."""
    assert AdoptionFile(tmp_path).read() == {}
    assert AdoptionFile(tmp_path / "missing").read() == {}


def test_changes_are_written_in_place(tmp_path: Path):
    """A note that changes keeps its line, one that ends leaves its line to others: the file does not grow."""
    file = AdoptionFile(tmp_path)
    file.replace([ONE, TWO])
    size = the_file(tmp_path).stat().st_size
    for count in range(100):
        file.change({A: ONE._replace(probes_sent=count), B: None})
        assert AdoptionFile(tmp_path).read() == {A: ONE._replace(probes_sent=count)}
        file.change({B: TWO})
    assert the_file(tmp_path).stat().st_size == size
    assert AdoptionFile(tmp_path).read() == {A: ONE._replace(probes_sent=99), B: TWO}


def test_last_note_takes_the_file_with_it(tmp_path: Path):
    """When all are proved there is no file, and none is made for notes that have ended already."""
    file = AdoptionFile(tmp_path)
    file.replace([ONE])
    file.change({A: None})
    file.change({B: None})
    assert list(tmp_path.iterdir()) == []
    file.change({B: TWO})
    assert AdoptionFile(tmp_path).read() == {B: TWO}


def test_start_without_adoptions_removes_the_file_of_an_earlier_run(tmp_path: Path):
    """What is not adopted now is not waited for either."""
    AdoptionFile(tmp_path).replace([ONE])
    AdoptionFile(tmp_path).replace([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 30, 159])
def test_file_of_another_boot_is_not_read(tmp_path: Path, at: int):
    """If the first line is any other, the times of the notes mean nothing."""
    AdoptionFile(tmp_path).replace([ONE])
    content = bytearray(the_file(tmp_path).read_bytes())
    content[at] ^= 1
    the_file(tmp_path).write_bytes(content)
    assert AdoptionFile(tmp_path).read() == {}


def test_damaged_line_is_left_out(tmp_path: Path):
    """Each byte of a line counts; the notes on other lines are read."""
    AdoptionFile(tmp_path).replace([ONE, TWO])
    sound = the_file(tmp_path).read_bytes()
    length = len(sound) // 3
    for at in range(length, length + len(sound[length : 2 * length].rstrip())):
        damaged = bytearray(sound)
        damaged[at] ^= 0x91
        the_file(tmp_path).write_bytes(damaged)
        assert AdoptionFile(tmp_path).read() == {B: TWO}


def test_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path):
    """Wherever the file ends, no note is read that was not written."""
    AdoptionFile(tmp_path).replace([ONE, TWO])
    sound = the_file(tmp_path).read_bytes()
    for length in range(0, len(sound), 7):
        the_file(tmp_path).write_bytes(sound[:length])
        assert AdoptionFile(tmp_path).read().items() <= {A: ONE, B: TWO}.items()
    the_file(tmp_path).write_bytes(sound + b"\xff" * 1000)
    assert AdoptionFile(tmp_path).read() == {A: ONE, B: TWO}


def test_file_that_others_can_write_is_not_read(tmp_path: Path):
    """Whoever can write the notes can have guests probed sooner than others, so nobody else can."""
    AdoptionFile(tmp_path).replace([ONE])
    the_file(tmp_path).chmod(0o620)
    assert AdoptionFile(tmp_path).read() == {}


def test_no_file_but_something_else(tmp_path: Path):
    """A link, a directory or a pipe in its place is not read and does not keep the daemon from starting."""
    AdoptionFile(tmp_path).replace([ONE])
    path = the_file(tmp_path)
    elsewhere = tmp_path.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert AdoptionFile(tmp_path).read() == {}
    path.unlink()
    path.mkdir()
    assert AdoptionFile(tmp_path).read() == {}
    path.rmdir()
    os.mkfifo(path)
    assert AdoptionFile(tmp_path).read() == {}
    AdoptionFile(tmp_path).replace([TWO])
    assert AdoptionFile(tmp_path).read() == {B: TWO}


def test_without_room_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full file system is an error for the caller, and leaves no half of a file."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    AdoptionFile(tmp_path).replace([ONE])
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        AdoptionFile(tmp_path).replace([TWO])
    assert list(tmp_path.iterdir()) == []
