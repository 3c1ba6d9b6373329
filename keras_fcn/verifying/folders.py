"""Pairs of prototxts and weights in a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from keras_fcn.verifying.references.base import NotComparedError

_WEIGHTS = (".caffemodel", ".caffemodel.gz", ".caffemodel.h5")
_NO_NETS = frozenset({"solver", "train", "trainval"})
"""Words in the names of files that are no networks to run."""


class Pair(NamedTuple):
    """A network's files.

    Attributes:
        name: what people call it: where it lies in the folder.
        prototxt: its definition.
        weights: its weights.
    """

    name: str
    prototxt: Path
    weights: Path


def pairs_in(folder: Path) -> tuple[list[Pair], list[str]]:
    """The networks of a folder and those within it.

    Weights go with the prototxt beside them of the same name, or else with the only one; where
    there are several, with the one for deployment.

    Returns:
        The pairs, by name, and a note on each weights file and each network without one.

    Raises:
        NotComparedError: there is no pair.
        NotADirectoryError: it is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))
    prototxts = sorted(x for x in folder.rglob("*") if x.suffix.lower() == ".prototxt")
    found, notes = [], []
    for weights in sorted(x for x in folder.rglob("*") if x.name.lower().endswith(_WEIGHTS)):
        stem = weights.name[: weights.name.lower().index(".caffemodel")]
        beside = [x for x in prototxts if x.parent == weights.parent]
        prototxt = _definition(stem, beside)
        name = weights.relative_to(folder).as_posix()
        if prototxt is None:
            among = ", ".join(x.name for x in beside)
            why = f"which of {among} is its network is not told" if beside else "no prototxt beside"
            notes.append(f"{name}: {why}")
            continue
        found.append(Pair(name, prototxt, weights))
    paired = {x.prototxt for x in found}
    notes += [
        f"{x.relative_to(folder).as_posix()}: no weights beside are told to be its"
        for x in prototxts
        if x not in paired and _is_net(x)
    ]
    if not found:
        raise NotComparedError(
            f"{folder} holds no pair of a prototxt and a caffemodel"
            + "".join(f"; {note}" for note in notes)
        )
    return found, notes


def _is_net(prototxt: Path) -> bool:
    """Whether a file's name is that of a network to run: no solver's, and none for training."""
    return not _NO_NETS & set(re.split(r"[^a-z]+", prototxt.stem.lower()))


def _definition(stem: str, beside: list[Path]) -> Path | None:
    """The prototxt that a weights file is of; None where that is not told."""
    named = [x for x in beside if x.stem == stem]
    nets = [x for x in beside if _is_net(x)]
    of_stem = [x for x in nets if x.stem.startswith(stem) or stem.startswith(x.stem)]
    deploy = [x for x in nets if "deploy" in x.stem.lower()]
    for choice in (named, [x for x in of_stem if x in deploy], of_stem, deploy, nets):
        if len(choice) == 1:
            return choice[0]
    return None
