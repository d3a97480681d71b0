"""Reading text files that people write. Each error says how to correct it."""

from pathlib import Path

from rdnbr.core.model.problem import Problem


class UnreadableError(Exception):
    """A file cannot be read as text."""

    def __init__(self, path: Path, message: str, line: int = 1) -> None:
        self.problem = Problem(str(path), line, message)
        super().__init__(str(self.problem))


def path_exists(path: Path) -> bool:
    """Return whether the path exists. A broken link, or a file without permission, counts as existing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def list_names(directory: Path) -> list[str]:
    """Return the sorted names in a directory. A missing directory has none.

    Raises:
        UnreadableError: the path is no directory, or reading it is not permitted.
    """
    try:
        return sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnreadableError(directory, f"cannot be listed: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Read a UTF-8 file.

    Raises:
        UnreadableError: the file is missing, not permitted, no regular file, or not UTF-8.
    """
    try:
        if path.is_dir():
            raise UnreadableError(path, "this is a directory; name a file")
        if path.is_fifo() or path.is_socket():
            raise UnreadableError(path, "this is no file that can be read again; name one")
        raw = path.read_bytes()
    except OSError as error:
        cure = "check the name" if isinstance(error, FileNotFoundError) else "check its owner and mode"
        raise UnreadableError(path, f"cannot be read: {error.strerror}; {cure}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise UnreadableError(path, message, line) from None
