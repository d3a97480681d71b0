"""The configuration: one TOML file, all of it optional, and the allowlist's files.

The keys are the fields of `Config` and of `core.settings.Settings`, so a new timer needs no second list.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from rdnbr.config.schema import Reader
from rdnbr.config.textfile import UnreadableError, is_there, names_in, read_text
from rdnbr.config.toml_lines import Toml
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.core.policy.allowlist import Allowlist, AllowlistError, parse

CONFIG = Path("/etc/rdnbr/rdnbr.toml")
ALLOWLIST = Path("/etc/rdnbr/allowlist")
SOCKET = Path("/run/rdnbr/rdnbr.sock")

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
OnStop = Literal["keep", "withdraw"]


@dataclass(frozen=True, slots=True)
class Log:
    """How the daemon logs."""

    level: Level = "info"
    format: Format = "auto"
    """`auto` is for people on a terminal, and JSON elsewhere."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was given on the command line; it wins over the file, also when the file is read again."""

    config: Path | None = None
    allowlist: Path | None = None
    bridges: tuple[str, ...] = ()
    log_level: Level | None = None
    log_format: Format | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator can set."""

    bridges: tuple[str, ...] = ()
    """Names or globs of the bridges to serve; empty: all that own a gateway address."""
    allowlist: Path = ALLOWLIST
    socket: Path = SOCKET
    enforce: bool = False
    """Whether guests can send only from addresses that are bound to them, to each other as well."""
    on_stop: OnStop = "keep"
    """Whether what is in the kernel outlives the daemon when that is told to stop. It outlives a crash in any case."""
    log: Log = field(default_factory=Log)
    settings: Settings = field(default_factory=Settings)
    given: CommandLine = field(default_factory=CommandLine)
    allowlist_named: bool = False
    """Somebody named the allowlist, in the file or on the command line: it has to be there."""

    @property
    def file(self) -> Path:
        """The file it was read from, whether that exists or not."""
        return self.given.config or CONFIG

    @property
    def allowlist_directory(self) -> Path:
        """Where further files of the allowlist are: beside it, with `.d` at the end of its name."""
        return self.allowlist.with_name(self.allowlist.name + ".d")


class ConfigError(Exception):
    """The configuration cannot be used; every mistake in it is named."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(given: CommandLine = CommandLine()) -> Config:
    """Read the configuration; with no file at the default place, it is all defaults.

    Raises:
        ConfigError: the file has mistakes, or was named on the command line and cannot be read.
    """
    config, problems = examine(given)
    if problems:
        raise ConfigError(tuple(problems))
    return config


def examine(given: CommandLine) -> tuple[Config, list[Problem]]:
    """Read the configuration, and return what of it can be used and everything that is wrong with it."""
    path = given.config or CONFIG
    if given.config is None and not is_there(path):
        return _with(given, {}, {}), []
    try:
        text = read_text(path)
    except UnreadableError as error:
        return _with(given, {}, {}), [error.problem]
    toml = Toml(text)
    problems = [Problem(str(path), line, message) for line, message in toml.mistakes]
    reader = Reader(str(path), toml, problems)
    own = ("bridges", "allowlist", "socket", "enforce", "on_stop", "log")
    hints = get_type_hints(Config)
    found = reader.table({name: hints[name] for name in own} | get_type_hints(Settings), toml.values, ())
    settings = {name: found.pop(name) for name in get_type_hints(Settings) if name in found}
    return _with(given, found, settings), sorted(problems)


def load_allowlist(main: Path, directory: Path, *, required: bool) -> Allowlist | None:
    """Read `main`, then `directory`/*.conf in the order of their names; None when there is no file at all.

    Args:
        main: the first file; it may be missing.
        directory: further files; it may be missing or empty. Names that begin with a dot are left out.
        required: a missing allowlist is a mistake: somebody named it, or one is in force already.

    Raises:
        AllowlistError: a file has mistakes or cannot be read, or none is there and one is required.
    """
    problems: list[Problem] = []
    texts: list[tuple[str, str]] = []
    paths = [main] if is_there(main) else []
    try:
        paths += [directory / name for name in names_in(directory) if _counts(name)]
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


def _counts(name: str) -> bool:
    return name.endswith(".conf") and not name.startswith(".")


def _with(given: CommandLine, found: dict[str, Any], settings: dict[str, Any]) -> Config:
    """Put together what the file and the command line say."""
    log = found.get("log", Log())
    policy = settings.get("port", PortPolicy())
    if "ports" in settings:
        settings["ports"] = {glob: replace(policy, **own) for glob, own in settings["ports"].items()}
    return Config(
        bridges=given.bridges or found.get("bridges", ()),
        allowlist=given.allowlist or found.get("allowlist", ALLOWLIST),
        socket=found.get("socket", SOCKET),
        enforce=found.get("enforce", False),
        on_stop=found.get("on_stop", "keep"),
        log=Log(given.log_level or log.level, given.log_format or log.format),
        settings=Settings(**settings),
        given=given,
        allowlist_named=given.allowlist is not None or "allowlist" in found,
    )
