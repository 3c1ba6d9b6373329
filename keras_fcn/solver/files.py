"""Where the files of a solver lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.text.solver import SolverDefinition

__all__ = ["Files"]

_ENDINGS = {"BINARYPROTO": "", "HDF5": ".h5"}


@dataclass(frozen=True)
class Files:
    """The files that a solver names and writes.

    Relative paths begin at the working folder, as in Caffe; where its net is not found there, at
    the solver's own.

    Args:
        solver: what it says.
    """

    solver: SolverDefinition
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        named = self.solver.net or self.solver.train_net
        missing = named and not Path(named).exists()
        object.__setattr__(self, "root", self.folder if missing else Path())

    @property
    def folder(self) -> Path:
        """The solver's own."""
        return Path(self.solver.path).parent

    def net(self, name: str) -> Path:
        """The file of a net, or of weights.

        Raises:
            CaffeError: it is neither in the working folder nor beside the solver.
        """
        places = dict.fromkeys((self.root / name, Path(name), self.folder / name))
        for path in places:
            if path.exists():
                return path
        raise CaffeError(
            f"{self.solver.path}: no file {' or '.join(repr(str(path)) for path in places)}"
        )

    @property
    def prefix(self) -> str:
        """What the names of snapshots begin with; of a folder, or where none is told, as Caffe."""
        name, own = self.solver.snapshot_prefix, Path(self.solver.path)
        if not name:
            return str(own.with_suffix(""))
        if (self.root / name).is_dir():
            return str(Path(name) / own.stem)
        return name

    def snapshot(self, iteration: int) -> tuple[str, Path, Path, Path]:
        """Names of a snapshot's files.

        Args:
            iteration: updates made.

        Returns:
            What the state calls the weights; the weights, the state, and what else the run keeps.
        """
        ending = _ENDINGS[self.solver.snapshot_format]
        stem = f"{self.prefix}_iter_{iteration}"
        learned = f"{stem}.caffemodel{ending}"
        whole = self.root / stem
        state = whole.with_name(f"{whole.name}.solverstate{ending}")
        return learned, self.root / learned, state, beside(state)

    def require_writable(self) -> None:
        """Refuse a prefix that nothing can be written under, before hours are spent.

        Raises:
            CaffeError: the folder is missing, or must not be written.
        """
        folder = (self.root / self.prefix).absolute().parent
        if not folder.is_dir():
            problem = "is no folder; make it"
        elif not os.access(folder, os.W_OK | os.X_OK):
            problem = "must not be written"
        else:
            return
        where = self.solver.place("snapshot_prefix")
        raise CaffeError(f"{where}: snapshot_prefix: {str(folder)!r} {problem}")


def beside(state: Path) -> Path:
    """The file beside a solverstate that keeps what Caffe's own has no place for."""
    name = state.name.removesuffix(".h5").removesuffix(".solverstate")
    return state.with_name(f"{name}.place.npz")
