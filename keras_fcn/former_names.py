"""Modules under names that they had in earlier versions, for scripts that import those."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder  # which loads tempfile and more
else:
    Loader = MetaPathFinder = object

FORMER: dict[str, str] = {}
"""Former module name -> the name now; submodules follow."""


def keep(names: Mapping[str, str]) -> None:
    """Let the former names of modules import the modules of today, the same objects."""
    FORMER.update(names)
    if not any(isinstance(finder, _FormerNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FormerNames())  # before files are looked for


class _FormerNames(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        now = _now(fullname)
        return None if now is None else ModuleSpec(fullname, _Today(), origin=now, is_package=True)


class _Today(Loader):
    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(_now(module.__name__) or "")


def _now(name: str) -> str | None:
    """Translate a former name, or one below it; None: it is none."""
    parts = name.split(".")
    former = ".".join(parts[:2])
    return ".".join([FORMER[former], *parts[2:]]) if former in FORMER else None
