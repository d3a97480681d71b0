"""The configuration, one TOML file in which everything is optional, and the files of the allowlist.

The keys are the fields of `Config` and of `core.model.settings.Settings`. A new timer therefore needs no second list.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from rdnbr.config.schema import ListenAddress, SchemaReader
from rdnbr.config.textfile import UnreadableError, list_names, path_exists, read_text
from rdnbr.config.toml_lines import Toml
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError, parse

CONFIG = Path("/etc/rdnbr/rdnbr.toml")
ALLOWLIST = Path("/etc/rdnbr/allowlist")
SOCKET = Path("/run/rdnbr/rdnbr.sock")

_LISTEN = ListenAddress("127.0.0.1:9171")

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
Enforce = Literal[False, "macs", True]
OnStop = Literal["keep", "withdraw"]


@dataclass(frozen=True, slots=True)
class Log:
    """Settings of the daemon's log."""

    level: Level = "info"
    format: Format = "auto"
    """`auto` means `console` on a terminal and for the journal of systemd, and `json` elsewhere."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Settings of `rdnbr doctor`."""

    accept: tuple[str, ...] = ()
    """Names of findings that are as they should be on this node."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Settings of `rdnbr metrics`."""

    listen: ListenAddress = _LISTEN
    textfile: Path | None = None
    """The file that is written instead, for node_exporter."""
    ports: bool = False
    """Whether there are metrics by port too."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Options of the command line. They override the file, at a reload as well."""

    config: Path | None = None
    allowlist: Path | None = None
    bridges: tuple[str, ...] = ()
    log_level: Level | None = None
    log_format: Format | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that an operator can set."""

    bridges: tuple[str, ...] = ()
    """Names or globs of the bridges to serve. Empty: all bridges that own a gateway address."""
    allowlist: Path = ALLOWLIST
    socket: Path = SOCKET
    enforce: Enforce = False
    """`macs`: bound MACs are pinned to their ports in the bridges' forwarding databases. True: besides, guests can send
    only from addresses that are bound to them. Both apply between guests as well."""
    on_stop: OnStop = "keep"
    """Whether routes and neighbours stay in the kernel after the daemon is stopped. After a crash they always stay."""
    log: Log = field(default_factory=Log)
    doctor: Doctor = field(default_factory=Doctor)
    metrics: Metrics = field(default_factory=Metrics)
    settings: Settings = field(default_factory=Settings)
    given: CommandLine = field(default_factory=CommandLine)
    allowlist_named: bool = False
    """Whether the file or the command line names the allowlist. If so, the allowlist must exist."""

    @property
    def pins_macs(self) -> bool:
        """Whether bound MACs are pinned to their ports."""
        return self.enforce is not False

    @property
    def filters_sources(self) -> bool:
        """Whether guests can send only from addresses that are bound to them."""
        return self.enforce is True

    @property
    def file(self) -> Path:
        """Path of the configuration file. The file need not exist."""
        return self.given.config or CONFIG

    @property
    def allowlist_directory(self) -> Path:
        """Directory of further allowlist files: the path of the allowlist with `.d` appended."""
        return self.allowlist.with_name(self.allowlist.name + ".d")


class ConfigError(Exception):
    """The configuration cannot be used. The error lists every mistake in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load_config(given: CommandLine = CommandLine()) -> Config:
    """Read the configuration. If the default file does not exist, everything has its default.

    Raises:
        ConfigError: the file has mistakes, or was named on the command line and cannot be read.
    """
    config, problems = examine(given)
    if problems:
        raise ConfigError(tuple(problems))
    return config


def examine(given: CommandLine) -> tuple[Config, list[Problem]]:
    """Read the configuration. Return its usable part, with defaults for the rest, and all its mistakes."""
    path = given.config or CONFIG
    if given.config is None and not path_exists(path):
        return _build_config(given, {}, {}), []
    try:
        text = read_text(path)
    except UnreadableError as error:
        return _build_config(given, {}, {}), [error.problem]
    toml = Toml(text)
    problems = [Problem(str(path), line, message) for line, message in toml.mistakes]
    reader = SchemaReader(str(path), toml, problems)
    own = ("bridges", "allowlist", "socket", "enforce", "on_stop", "log", "doctor", "metrics")
    hints = get_type_hints(Config)
    values = reader.table({name: hints[name] for name in own} | get_type_hints(Settings), toml.values, ())
    settings = {name: values.pop(name) for name in get_type_hints(Settings) if name in values}
    return _build_config(given, values, settings), sorted(problems)


def load_allowlist(main: Path, directory: Path, *, required: bool) -> Allowlist | None:
    """Read `main`, then `directory`/*.conf in the order of their names. Return None if there is no file at all.

    Args:
        main: the first file; it may be missing.
        directory: further files; it may be missing or empty. Names that begin with a dot are ignored.
        required: whether a missing allowlist is a mistake: the operator named it, or an allowlist is in force.

    Raises:
        AllowlistError: a file has mistakes or cannot be read, or a required allowlist is missing.
    """
    problems: list[Problem] = []
    texts: list[tuple[str, str]] = []
    paths = [main] if path_exists(main) else []
    try:
        paths += [directory / name for name in list_names(directory) if _is_allowlist_name(name)]
    except UnreadableError as error:
        problems.append(error.problem)
    for path in paths:
        try:
            texts.append((str(path), read_text(path)))
        except UnreadableError as error:
            problems.append(error.problem)
    if required and not texts and not problems:
        message = f"no such file, and no {directory}/*.conf; make one, an empty one permits nothing"
        problems.append(Problem(str(main), 1, message))
    allowlist = None
    if texts:
        try:
            allowlist = parse(texts)
        except AllowlistError as error:
            problems += error.problems
    if problems:
        raise AllowlistError(tuple(problems))
    return allowlist


def _is_allowlist_name(name: str) -> bool:
    return name.endswith(".conf") and not name.startswith(".")


def _build_config(given: CommandLine, values: dict[str, Any], settings: dict[str, Any]) -> Config:
    """Combine the command line with the file's values and settings."""
    log = values.get("log", Log())
    policy = settings.get("port", PortPolicy())
    if "ports" in settings:
        settings["ports"] = {glob: replace(policy, **own) for glob, own in settings["ports"].items()}
    return Config(
        bridges=given.bridges or values.get("bridges", ()),
        allowlist=given.allowlist or values.get("allowlist", ALLOWLIST),
        socket=values.get("socket", SOCKET),
        enforce=values.get("enforce", False),
        on_stop=values.get("on_stop", "keep"),
        log=Log(given.log_level or log.level, given.log_format or log.format),
        doctor=values.get("doctor", Doctor()),
        metrics=values.get("metrics", Metrics()),
        settings=Settings(**settings),
        given=given,
        allowlist_named=given.allowlist is not None or "allowlist" in values,
    )
