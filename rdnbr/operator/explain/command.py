"""`rdnbr explain`: why an address is routed, or is not."""

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator

from rdnbr.config.config import CommandLine
from rdnbr.core.model.address import show_mac
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.explain.collect import collect
from rdnbr.operator.explain.document import document
from rdnbr.operator.explain.facts import Facts
from rdnbr.operator.explain.layers import Layer, layers
from rdnbr.operator.explain.verdict import AddressVerdict, verdict
from rdnbr.operator.text.phrases import clock

_MARKS = {"ok": "ok", "no": "NO", "unknown": "?"}


def explain(args: Namespace) -> int:
    """Print the explanation, and return the exit code: 0 if packets reach the address, as far as is known; else 1."""
    facts = collect(args.address, CommandLine(args.config), args.socket)
    found = layers(facts)
    reached = verdict(facts, found)
    if args.json:
        print(json.dumps(document(facts, found, reached), ensure_ascii=False))
    else:
        print("\n".join(lines(facts, found, reached)))
    return 0 if reached.reachable else 1


def lines(facts: Facts, found: Iterable[Layer], reached: AddressVerdict) -> Iterator[str]:
    """Yield the lines that a person reads: the verdict, the cure, each layer, and the latest decisions."""
    yield reached.sentence
    if reached.cure is not None:
        yield from reached.cure.lines()
    yield ""
    for layer in found:
        yield f"{_MARKS[layer.answer]:3} {layer.name:11} {layer.text}"
    if facts.explanation.events:
        yield ""
        yield "lately:"
    for event in facts.explanation.events:
        yield f"    {clock(epoch(event.at))} {_event(event)}"
    if facts.refused_frame is not None:
        yield f"    the last frame refused: {facts.refused_frame}"


def _event(event: Decision) -> str:
    who = f"{show_mac(event.mac) if event.mac else '-'} on {event.port or '-'}"
    rule = f" ({event.rule})" if event.rule else ""
    challenger = ""
    if event.challenger is not None and event.challenger.port:
        mac = event.challenger.mac
        challenger = f", rival {show_mac(mac) if mac else '-'} on {event.challenger.port}"
    return f"{event.verb.value:10} {who}: {event.reason.value}{rule}{challenger}"
