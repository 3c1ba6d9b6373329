"""Modules under names that they had in earlier versions, for scripts that import those."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER: dict[str, str] = {}
"""Former module name -> the name now; submodules follow."""


def keep(names: Mapping[str, str]) -> None:
    """Let the former names of modules import the modules of today, the same objects."""
    FORMER.update(names)
    if not any(isinstance(finder, _FormerNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FormerNames())  # before files are looked for


class _FormerNames(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        now = _now(fullname)
        return None if now is None else ModuleSpec(fullname, self, origin=now, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(_now(module.__name__) or "")


def _now(name: str) -> str | None:
    """Translate a former name, or one below it; None: it is none."""
    parts = name.split(".")
    former = ".".join(parts[:2])
    return ".".join([FORMER[former], *parts[2:]]) if former in FORMER else None
