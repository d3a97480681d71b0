"""`rdnbr probe`: has the daemon probe an address, and waits for the answer."""

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

from rdnbr.core.model.address import MAC, show_mac
from rdnbr.operator.control.client import Client
from rdnbr.operator.control.json_fields import Fields, mac, moment, text
from rdnbr.operator.control.protocol import Document

PATIENCE = 5.0
"""Seconds that an answer is awaited. A search takes 3 s; the probes of a bound address go on for longer."""

INTERVAL = 0.1
"""Seconds between two questions to the daemon."""


class Answer(NamedTuple):
    """Where the guest is that answered."""

    mac: MAC
    port: str | None
    state: str
    """Of the binding."""
    after: float
    """Seconds from the probe until the guest was heard."""


def probe(args: Namespace, socket: Path) -> int:
    """Probe, and print who answered. Return 1 if nobody did."""
    with Client(socket) as client:
        result = client.request("probe", args.address)
        asked_at = result.get("at")
        if asked_at is None:  # a daemon that runs since before an upgrade does not say when it has probed
            print(json.dumps(result, ensure_ascii=False) if args.json else result["message"])
            return 0
        if not args.json:
            print(result["message"], flush=True)
        answer = _await_answer(client, args.address, moment(asked_at))
    print(json.dumps(document(result, answer), ensure_ascii=False) if args.json else sentence(answer))
    return int(answer is None)


def document(result: Document, answer: Answer | None) -> Document:
    """Return the JSON document: what the daemon has said, and who answered, null where nobody did."""
    return {
        **result,
        "answered": answer is not None,
        "mac": None if answer is None else show_mac(answer.mac),
        "port": None if answer is None else answer.port,
        "state": None if answer is None else answer.state,
        "after": None if answer is None else round(answer.after, 3),
    }


def sentence(answer: Answer | None) -> str:
    """Return what became of the probe as a sentence."""
    if answer is None:
        return f"no answer within {PATIENCE:g} s; rdnbr explain says what follows from that"
    place = "" if answer.port is None else f" on {answer.port}"
    return f"{show_mac(answer.mac)}{place} was heard {answer.after * 1000:.0f} ms later; the binding is {answer.state}"


def _await_answer(client: Client, address: str, asked_at: float) -> Answer | None:
    """Return the guest that was heard with the address since `asked_at`, in seconds since 1970; None: none was."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for binding in Fields(client.request("explain", address)).objects("bindings"):
            seen = binding.get("last_seen", moment)
            state = binding.get("state", text)
            if seen >= asked_at and state != "departed":  # times have milliseconds
                port = binding.optional("port", text)
                return Answer(binding.get("mac", mac), port, state, seen - asked_at)
        if time.monotonic() >= deadline:
            return None
        time.sleep(INTERVAL)
