"""Lines for people: folded between words on a terminal, whole elsewhere."""

from rdnbr.operator.text.terminal import folded, print_lines


def test_folded_between_words():
    """A line that is too long continues below, indented; a word that is too long stays whole."""
    assert folded("problem: vmbr1: the bridge-port 2001:db8::1 is down", 30) == (
        "problem: vmbr1: the\n    bridge-port 2001:db8::1 is\n    down"
    )
    assert folded("  a /etc/rdnbr/allowlist:1234567", 10) == "  a\n      /etc/rdnbr/allowlist:1234567"


def test_no_terminal(capsys):
    """In a pipe a line is a line."""
    print_lines(["x " * 200, ""])
    assert capsys.readouterr().out == "x " * 200 + "\n\n"


def test_cures_stay_whole(monkeypatch, capsys):
    """What people paste is not folded."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    print_lines(["    cure: ip link set dev vmbr1 up", "one two three four five"], whole=("    cure: ",))
    assert capsys.readouterr().out.splitlines() == [
        "    cure: ip link set dev vmbr1 up",
        "one two three four",
        "    five",
    ]
