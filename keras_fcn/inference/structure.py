"""Questions to the layers of a model, of Keras or of Caffe's network alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from keras_fcn.caffe.net.fields import Positions
from keras_fcn.cards.card import card_of
from keras_fcn.engines.file_structure import FileStructure
from keras_fcn.engines.structure import NetworkStructure
from keras_fcn.inference.optimized import InferenceModel, structure_of

__all__ = [
    "OPAQUE",
    "calls_of",
    "ends_in_labels",
    "fitting_size_of",
    "keras_structure",
    "layers_of",
    "output_names_of",
    "positions_of",
]

OPAQUE = frozenset({"TFSMLayer"})
"""Classes of layers that tell nothing of what they compute; nor does a `FileStructure`."""

Size = tuple[int, int]

_BUILT: WeakKeyDictionary[NetworkStructure, Any] = WeakKeyDictionary()


def calls_of(model: Any) -> Iterator[Any]:
    """Every call of a model's layers, in order; see `keras_fcn.graph.calls`."""
    if isinstance(model, NetworkStructure | FileStructure):
        yield from model.steps
        return
    from keras_fcn.graph.calls import calls

    yield from calls(model)


def keras_structure(model: Any) -> Any:
    """The Keras layers of a model, in whatever engine it is."""
    structure = layers_of(model)
    return _as_keras(structure) if isinstance(structure, NetworkStructure) else structure


def layers_of(model: Any) -> Any:
    """The layers of a model, those of Keras or of Caffe's network.

    Raises:
        TypeError: they are not known.
    """
    structure = structure_of(model)
    if isinstance(structure, FileStructure):
        raise TypeError(f"of a file of an engine the layers are not known. Received: {model!r}")
    return structure


def fitting_size_of(model: Any, size: Size) -> Size:
    """See `keras_fcn.graph.sizes.fitting_size`."""
    if isinstance(model, NetworkStructure):
        return model.fitting_size(size)
    if isinstance(model, FileStructure):
        return size
    from keras_fcn.graph.sizes import fitting_size

    return fitting_size(model, size)


def output_names_of(model: Any) -> list[str]:
    """Names of a model's outputs; see `keras_fcn.graph.ends.output_names`."""
    if isinstance(model, InferenceModel):
        return model.output_names
    from keras_fcn.graph.ends import output_names

    return output_names(model)


def positions_of(model: Any) -> Positions | None:
    """Where the positions of a model's (first) output lie on the image.

    By the centres of what they see; of a file of another program by its card. None where they
    see the whole image, and where that is not known.
    """
    if isinstance(model, NetworkStructure):
        return model.positions
    field = None
    if not isinstance(model, FileStructure):
        from keras_fcn.graph.receptive_fields import output_field

        field = output_field(model)
    return card_of(model).positions if field is None else field.positions


def ends_in_labels(model: Any) -> bool:
    """Whether a model's last layer gives labels, not scores."""
    if isinstance(model, NetworkStructure):
        return model.ends_in_labels
    if not isinstance(model, FileStructure) and type(model.layers[-1]).__name__ not in OPAQUE:
        return type(model.layers[-1]).__name__ == "ArgMax"
    return card_of(model).task == "map" and model.outputs[0].shape[-1] == 1


def _as_keras(structure: NetworkStructure) -> Any:
    """The Keras model of a network, without its weights; loads Keras."""
    from keras_fcn.builder.graph import build_model

    if structure not in _BUILT:
        _BUILT[structure] = build_model(structure.network)
    return _BUILT[structure]
