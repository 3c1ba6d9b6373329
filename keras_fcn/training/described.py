"""Functions and objects in the configuration of a run."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

__all__ = ["described"]


def described(function: Any) -> Any:
    """A function, or an object that is called, as values that JSON knows and that stay the same."""
    if function is None:
        return None
    if dataclasses.is_dataclass(function) and not isinstance(function, type):
        return {"name": type(function).__name__, **dataclasses.asdict(function)}
    if isinstance(function, functools.partial):
        arguments = [*map(repr, function.args)]
        arguments += [f"{name}={value!r}" for name, value in function.keywords.items()]
        return {"name": described(function.func), "arguments": arguments}
    if hasattr(function, "get_config") and not isinstance(function, type):
        return {"name": type(function).__qualname__, "config": function.get_config()}
    return getattr(function, "__qualname__", type(function).__qualname__)
