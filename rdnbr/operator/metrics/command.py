"""`rdnbr metrics`: prints the metrics, writes them to a file, or serves them to Prometheus.

It is a process of its own, which asks the daemon by the control socket. So the daemon has no HTTP server, a scrape
costs it less than `rdnbr show`, and no scrape costs it nothing; and while the daemon is dead, somebody says so.
"""

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from rdnbr.config.config import CommandLine, Config, ConfigError, load_config
from rdnbr.operator.control.client import CommandFailed
from rdnbr.operator.metrics.collect import ZebraReader, collect_daemon

TEXTFILE_INTERVAL = 15.0
"""Seconds between two writes of the textfile."""


def metrics(args: Namespace) -> int:
    """Print the metrics once; with `--textfile` write them; with `--serve` do as the configuration says, for ever.

    Raises:
        CommandFailed: the library is missing, or the file or the address cannot be used.
    """
    try:
        config = load_config(CommandLine(args.config))
    except ConfigError as error:
        raise CommandFailed(f"the configuration has mistakes:\n{error}") from None
    try:
        from rdnbr.operator.metrics.exposition import (  # noqa: PLC0415 (only this command needs the library)
            RdnbrCollector,
            exposition,
            registry_of,
        )
    except ModuleNotFoundError:
        raise CommandFailed(
            "the Python library prometheus_client is missing; apt-get install python3-prometheus-client"
        ) from None
    socket = Path(args.socket) if args.socket else config.socket
    collector = RdnbrCollector(
        lambda: collect_daemon(socket), ZebraReader(config.bridges).read, ports=config.metrics.ports
    )
    registry = registry_of(collector)
    if args.textfile is not None:
        write_textfile(args.textfile, exposition(registry))
    elif args.serve:
        _serve(config, registry)
    else:
        sys.stdout.write(exposition(registry).decode())
    return 0


def write_textfile(path: Path, text: bytes) -> None:
    """Replace a file of node_exporter's textfile collector in one step, readable for all.

    Raises:
        CommandFailed: it cannot be written.
    """
    before = path.with_name(f".{path.name}.{os.getpid()}")  # the collector reads names that end in .prom
    try:
        before.write_bytes(text)
        before.chmod(0o644)
        before.replace(path)
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from None


def _serve(config: Config, registry: object) -> None:
    from prometheus_client import start_http_server  # noqa: PLC0415

    from rdnbr.operator.metrics.exposition import exposition  # noqa: PLC0415

    textfile = config.metrics.textfile
    try:
        if textfile is None:
            host, _, port = config.metrics.listen.rpartition(":")
            try:
                start_http_server(int(port), addr=host.strip("[]"), registry=registry)
            except OSError as error:
                raise CommandFailed(f"cannot listen on {config.metrics.listen}: {error.strerror}") from None
        while True:
            if textfile is not None:
                write_textfile(textfile, exposition(registry))
            time.sleep(TEXTFILE_INTERVAL)
    except KeyboardInterrupt:
        return
