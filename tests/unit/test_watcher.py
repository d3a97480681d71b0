"""Noticing changed files; time is given, so nobody waits."""

import os

import pytest

from rdnbr.config.watcher import FileWatcher


@pytest.fixture
def main(tmp_path):
    path = tmp_path / "allowlist"
    path.write_text("192.0.2.1\n")
    return path


@pytest.fixture
def files(main, tmp_path):
    (tmp_path / "allowlist.d").mkdir()
    return FileWatcher((main, tmp_path / "rdnbr.toml"), (tmp_path / "allowlist.d",), 0.0)


def changes(files, *times):
    return [time for time in times if files.changed(time)]


def test_nothing_changed(files):
    """What was there at the start is known."""
    assert changes(files, 1.0, 2.0, 3.0) == []


def test_change_is_told_once_it_settled(files, main):
    """A change is told when two looks in a row saw it, and only once."""
    main.write_text("192.0.2.1\n192.0.2.2\n")
    assert changes(files, 1.0, 2.0, 3.0, 4.0) == [2.0]


def test_file_that_is_still_written(files, main):
    """A file that grows from look to look is left alone."""
    for second in range(1, 5):
        main.write_text("192.0.2.1\n" * (second + 1))
        assert not files.changed(float(second))
    assert changes(files, 5.0, 6.0) == [5.0]


def test_looks_are_a_second_apart(files, main):
    """The disk is not looked at more than once a second."""
    main.write_text("")
    assert changes(files, 0.5, 1.0, 1.1, 1.9, 2.0) == [2.0]


@pytest.mark.parametrize("change", ["new in directory", "new file", "replaced", "removed"])
def test_kinds_of_change(files, main, tmp_path, change):
    """New, replaced and removed files are changes."""
    match change:
        case "new in directory":
            (tmp_path / "allowlist.d" / "x.conf").write_text("")
        case "new file":
            (tmp_path / "rdnbr.toml").write_text("")
        case "replaced":
            (tmp_path / "new").write_text("192.0.2.9\n")
            (tmp_path / "new").rename(main)
        case "removed":
            main.unlink()
    assert changes(files, 1.0, 2.0, 3.0) == [2.0]


def test_replaced_by_one_as_old_and_long(files, main, tmp_path):
    """A file put in place of another is a change, also with the same size and time."""
    old = main.stat()
    (tmp_path / "new").write_text("192.0.2.2\n")
    os.utime(tmp_path / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    (tmp_path / "new").rename(main)
    assert changes(files, 1.0, 2.0, 3.0) == [2.0]


def test_change_that_is_taken_back(files, main, tmp_path):
    """A file that was away for a moment did not change."""
    main.rename(tmp_path / "away")
    assert not files.changed(1.0)
    (tmp_path / "away").rename(main)
    assert changes(files, 2.0, 3.0) == []
