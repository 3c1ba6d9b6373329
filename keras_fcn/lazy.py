"""Public names that are loaded when first used, so that importing a package costs nothing.

A package's stub `__init__.pyi`, which type checkers read, is the one list of its names; what
Python finds at run time is derived from it.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def attach(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Give `__all__`, `__getattr__` and `__dir__` of a package with a stub.

    Submodules are attributes too, whether or not they were imported before.

    Args:
        package: its `__name__`.
    """
    homes = _homes(package)

    def get(name: str) -> Any:
        if homes.get(name, package) != package:
            value = getattr(import_module(homes[name]), name)
        elif not name.startswith("_") and find_spec(f"{package}.{name}"):
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return sorted(name for name, home in homes.items() if home != package), get, names


def _homes(package: str) -> dict[str, str]:
    """Read the stub: public name -> the module that it is imported from."""
    homes: dict[str, str] = {}
    for statement in ast.parse(pkgutil.get_data(package, "__init__.pyi") or b"").body:
        if not isinstance(statement, ast.ImportFrom) or statement.module is None:
            raise ImportError(f"the stub of {package} has more than absolute imports of names")
        for alias in statement.names:
            if alias.name == "*":
                names = import_module(statement.module).__all__
                homes |= dict.fromkeys(names, statement.module)
            else:
                homes[alias.name] = statement.module
    return homes
