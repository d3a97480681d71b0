"""Numbers with what they count."""


def counted(number: int, noun: str) -> str:
    """Return `1 binding`, `0 bindings`, `1,234 bindings`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
