"""Types that forks of Caffe define differently under one name, told apart by what they carry.

A fork's class is registered with `@caffe_layer("BN", dialect="segnet")`, and says in
`recognizes` whether a layer is of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.layers.base import DIALECTS, LAYER_TYPES, LayerParams, UnknownLayer
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.words import argument, either

StoredShapes = Sequence[tuple[int, ...]]
"""Shapes of a layer's blobs in a weights file."""


@dataclass(frozen=True)
class Choice:
    """The class that reads a layer.

    Attributes:
        params: the class.
        dialect: the fork it is of, None where there is one definition only.
        others: the forks that the layer could be of too.
    """

    params: type[LayerParams]
    dialect: str | None = None
    others: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Note on the choice; empty where there was none."""
        if self.dialect is None:
            return ""
        if not self.others:
            return f"read as {self.dialect}'s, by its parameters or blobs"
        asked = either(
            f"dialect={' or '.join(map(repr, self.others))}",
            f"--dialect {' or '.join(self.others)}",
        )
        return f"taken for {self.dialect}'s; {asked} if not"


def choose(layer: LayerDefinition, stored: StoredShapes | None, dialect: str | None) -> Choice:
    """Find the class for a layer.

    Args:
        layer: what the prototxt says of it.
        stored: shapes of its blobs in the weights file, None where they are not known.
        dialect: the fork to prefer; it counts for the types that it defines.
    """
    known = DIALECTS.get(layer.type)
    if known is None:
        return Choice(LAYER_TYPES.get(layer.type, UnknownLayer))
    if dialect in known:
        return Choice(known[dialect], dialect)
    verdicts = {name: cls.recognizes(layer, stored) for name, cls in known.items()}
    possible = [name for name, verdict in verdicts.items() if verdict is not False]
    sure = [name for name, verdict in verdicts.items() if verdict]
    best, *others = sure or possible or list(known)
    return Choice(known[best], best, tuple(others))


def check(dialect: str | None) -> None:
    """Refuse a dialect that no type has.

    Raises:
        ValueError: it is not known.
    """
    names = sorted({name for known in DIALECTS.values() for name in known})
    if dialect is not None and dialect not in names:
        raise ValueError(
            f"{argument('dialect')} must be one of {names}. "
            f"Received: {either(f'dialect={dialect!r}', f'--dialect {dialect}')}"
        )
