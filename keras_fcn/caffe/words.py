"""What messages call an argument: its name in Python, its option while a command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["argument", "either", "options_as", "quoted"]

_as_option: Callable[[str], str] | None = None


def argument(name: str) -> str:
    """`crop_size`, or `--crop-size`."""
    return name if _as_option is None else _as_option(name)


def quoted(name: str) -> str:
    """The same where it stands in a sentence, in backticks in Python."""
    return f"`{name}`" if _as_option is None else _as_option(name)


def either(in_python: str, typed: str) -> str:
    """`outputs=[...]`, or `--output-blob BLOB`, where they differ by more than the name."""
    return in_python if _as_option is None else typed


@contextmanager
def options_as(naming: Callable[[str], str]) -> Iterator[None]:
    """Call arguments so in all messages of the process, for as long as a command runs."""
    global _as_option
    before, _as_option = _as_option, naming
    try:
        yield
    finally:
        _as_option = before


def parts(text: str) -> list[str]:
    """What stands between commas, without blanks around it: `"a, b"` is `["a", "b"]`."""
    return [part.strip() for part in text.split(",") if part.strip()]
