"""Pairs of prototxts and weights in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from keras_fcn.verifying.references.base import NotComparedError

_WEIGHTS = (".caffemodel", ".caffemodel.gz", ".caffemodel.h5")
_NO_NETS = ("solver", "train_val", "train-val", "trainval", "train")


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
        The pairs, by name, and a note on each weights file without one.

    Raises:
        NotComparedError: there is no pair.
        NotADirectoryError: it is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))
    found, notes = [], []
    for weights in sorted(x for x in folder.rglob("*") if x.name.lower().endswith(_WEIGHTS)):
        stem = weights.name[: weights.name.lower().index(".caffemodel")]
        beside = sorted(weights.parent.glob("*.prototxt"))
        prototxt = _definition(stem, beside)
        name = weights.relative_to(folder).as_posix()
        if prototxt is None:
            among = ", ".join(x.name for x in beside)
            why = f"which of {among} is its network is not told" if beside else "no prototxt beside"
            notes.append(f"{name}: {why}")
            continue
        found.append(Pair(name, prototxt, weights))
    if not found:
        raise NotComparedError(
            f"{folder} holds no pair of a prototxt and a caffemodel"
            + "".join(f"; {note}" for note in notes)
        )
    return found, notes


def _definition(stem: str, beside: list[Path]) -> Path | None:
    """The prototxt that a weights file is of; None where that is not told."""
    named = [x for x in beside if x.stem == stem]
    nets = [x for x in beside if not any(word in x.stem.lower() for word in _NO_NETS)]
    of_stem = [x for x in nets if x.stem.startswith(stem) or stem.startswith(x.stem)]
    deploy = [x for x in nets if "deploy" in x.stem.lower()]
    for choice in (named, [x for x in of_stem if x in deploy], of_stem, deploy, nets):
        if len(choice) == 1:
            return choice[0]
    return None
