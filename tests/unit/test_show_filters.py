"""Which rows `rdnbr show` has, and in what order."""

import pytest

from rdnbr.operator.commands.parser import parser
from rdnbr.operator.commands.show_filters import NotApplicable, rows_of, select, with_rows
from tests.unit.test_show_tables import binding, event

ROWS = [
    binding(address="2.57.57.30", port="tap100i0", mac="52:02:45:00:00:01"),
    binding(address="2.57.57.9", port="tap1000i0", state="departed", last_seen="2024-05-01T13:00:00+00:00"),
    binding(address="2001:db8::1", port="fwpr100p0", bridge="vmbr2"),
    binding(address="203.0.113.1", port=None),
]


def chosen(*options, what="bindings", rows=ROWS):
    """Return the addresses of the rows that the options choose."""
    args = parser().parse_args(["show", what, *options])
    return [row["address"] for row in select(args, rows)]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), (0, 1, 2, 3)),
        (("--address", "2.57.57.30"), (0,)),
        (("--address", "2.57.57.0/24"), (0, 1)),
        (("--address", "2001:DB8:0::/48"), (2,)),
        (("--port", "tap*"), (0, 1)),
        (("--bridge", "vmbr2"), (2,)),
        (("--vm", "100"), (0, 2)),
        (("--mac", "52:02:45:00:00:01"), (0,)),
        (("--state", "departed"), (1,)),
        (("--vm", "100", "--bridge", "vmbr1"), (0,)),
    ],
)
def test_filters(options, numbers):
    """A row matches all filters; a prefix is one of its family, and --vm is no part of a number."""
    assert chosen(*options) == [ROWS[number]["address"] for number in numbers]


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        ("address", (1, 0, 3, 2)),
        ("port", (2, 1, 0, 3)),
        ("seen", (1, 0, 2, 3)),
    ],
)
def test_sorting(column, numbers):
    """Addresses are sorted as numbers, the latest time comes first, and what is missing last."""
    assert chosen("--sort", column) == [ROWS[number]["address"] for number in numbers]


def test_what_a_table_does_not_have():
    """A filter or a column that a table lacks is a mistake, and its own are named."""
    with pytest.raises(NotApplicable, match=r"counters has no --mac; it has --port, --vm$"):
        chosen("--mac", "52:02:45:00:00:01", what="counters", rows=[])
    with pytest.raises(NotApplicable, match=r"ports cannot be sorted by seen; by port, vm, bridge, bindings"):
        chosen("--sort", "seen", what="ports", rows=[])


def test_counters_keep_their_shape():
    """The filtered document has the keys that the whole one has."""
    document = {
        "mode": "open",
        "counters": {"tap100i0": {"a": 1, "b": 5}, "tap101i0": {"a": 7}},
        "kernel": {},
    }
    args = parser().parse_args(["show", "counters", "--vm", "100"])
    rows = select(args, rows_of("counters", document))
    assert with_rows("counters", document, rows) == {**document, "counters": {"tap100i0": {"b": 5, "a": 1}}}


def test_events_without_an_address():
    """An event that is about no address matches no address."""
    rows = [event(address=None), event()]
    assert chosen("--address", "0.0.0.0/0", what="events", rows=rows) == ["2.57.57.30"]


@pytest.mark.parametrize(
    "wrong", [("--address", "2.57.57.30/24"), ("--vm", "tap100i0"), ("--mac", "52"), ("--state", "up")]
)
def test_wrong_filters(wrong, capsys):
    """A value that is none is named with the option."""
    with pytest.raises(SystemExit):
        parser().parse_args(["show", *wrong])
    assert wrong[0] in capsys.readouterr().err
