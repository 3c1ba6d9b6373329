"""Preparation and classes of a network, as told by its weights file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.caffe.text.card_line import told
from keras_fcn.cards.card import Source, card_of, update_card
from keras_fcn.cards.stored import recall
from keras_fcn.engines.structure import NetworkStructure
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.data_sets import data_set
from keras_fcn.preprocessing.tiles import Tiles
from keras_fcn.published.entries import PublishedModel, published_model
from keras_fcn.published.identification import identify

if TYPE_CHECKING:
    import keras


def note_source(
    model: keras.Model,
    weights: OpenWeights | None,
    *,
    preprocessing: Preprocessing | None = None,
    published: Sequence[str | None] = (),
) -> None:
    """Let a model know its weights, how images are prepared for it, and what its classes are.

    What is known of a published network holds where the model has its classes; with others
    the weights are but where training begins. A mean in the weights file goes before all.

    Args:
        model: a model of this package, built.
        weights: its open weights file, if any, which is recognised by its hash; one of the
            converter tells what it was made from.
        preprocessing: the network's own, whose sizes stay; None for what it carries.
        published: the registry's names that the weights may have, the likeliest first.
    """
    identity = None if weights is None else identify(weights)
    names = [name for name in published if name is not None]
    entries = [published_model(name) for name in names]
    if identity is not None:
        entries.insert(0, identity.entry)
    entry = next((entry for entry in entries if _has_classes(entry, model)), None)
    changes: dict[str, Any] = {}
    stored = None
    if isinstance(weights, WeightsFile):
        place = f"the prototxt in {weights.path}"
        stored = recall(model, told(weights.text("prototxt")), place, _class_count(model))
    own = (stored and stored.preprocessing) or preprocessing or card_of(model).preprocessing
    channels: Any = model.inputs[0].shape[-1] if model.inputs[0].shape else None
    if entry is not None:
        own = entry.preprocessing(own, channels)
        changes["classes"] = Classes.of(entry.dataset) if entry.dataset else None
    elif own is None and entries:  # of other outputs, features say
        own = entries[0].preprocessing(None, channels)
    if entry is None or None not in model.inputs[0].shape[1:]:
        # A network with other classes, or of one size, reads the same margin.
        fitting = (_tiles(known, model) for known in entries)
        changes["tiles"] = next((tiles for tiles in fitting if tiles), card_of(model).tiles)
    else:
        changes["tiles"] = entry.tiling()
    if isinstance(weights, WeightsFile) and (mean := weights.mean()) is not None:
        own = _with_mean(own, mean, model.inputs[0].shape)
    if weights is not None:
        known = "" if identity is None else identity.entry.name
        changes["source"] = dataclasses.replace(_source(weights), published=known)
    update_card(model, preprocessing=own, **changes)


def _tiles(entry: PublishedModel, model: keras.Model) -> Tiles | None:
    """The tiles of a published network, of the size that the model takes if it takes one.

    None where the model's maps of them do not lie side by side, as those of other outputs.
    """
    tiles, (image, *_) = entry.tiling(), model.inputs
    if tiles is None or len(image.shape) != 4 or len(model.outputs[0].shape) != 4:
        return None
    height, width = (own or new for own, new in zip(image.shape[1:3], tiles.size, strict=True))
    try:
        tiles = dataclasses.replace(tiles, size=(height, width))
        shapes = _shapes_at(model, (height, width))
    except ValueError:  # smaller than its margins
        return None
    rows, columns = shapes[id(model.outputs[0])][1:3]
    return tiles.with_cells(rows or 0, columns or 0)


def _shapes_at(model: Any, size: tuple[int, int]) -> Mapping[int, tuple[int | None, ...]]:
    """The shapes of all tensors for an image of a size."""
    if isinstance(model, NetworkStructure):
        return model.shapes_at(size) or {id(model.outputs[0]): (1, 0, 0, 0)}
    from keras_fcn.graph.calls import shapes_at

    (image, *_) = model.inputs
    return shapes_at(model, {image.name: (1, *size, image.shape[-1])})


def _ends_in_labels(model: Any) -> bool:
    if isinstance(model, NetworkStructure):
        return model.ends_in_labels
    return type(model.layers[-1]).__name__ == "ArgMax"


def _class_count(model: Any) -> int | None:
    if isinstance(model, NetworkStructure):
        return model.class_count
    from keras_fcn.graph.ends import class_count

    return class_count(model)


def _source(weights: OpenWeights) -> Source:
    """Identity of the file, of a converted file that of its source."""
    if isinstance(weights, WeightsFile):
        stored = weights.attributes()
        name = str(stored.get("source", "")) or weights.path
        return Source(Path(name).name, str(stored.get("source_sha256", "")))
    sha256 = "" if weights.source is None else weights.source.sha256()
    return Source(Path(weights.path).name, sha256)


def _with_mean(
    preprocessing: Preprocessing | None, mean: np.ndarray, shape: tuple[int | None, ...]
) -> Preprocessing:
    """The preprocessing with a stored mean.

    A mean image covers inputs up to its own size; a network that takes others gets its mean
    pixel.
    """
    own = preprocessing or Preprocessing(channels=shape[-1] or mean.shape[-1], mean=None)
    window = own.crop or shape[1:3]
    covered = mean.ndim == 3 and all(
        length is not None and length <= pixels
        for length, pixels in zip(window, mean.shape, strict=False)
    )
    return dataclasses.replace(own, mean=mean if covered else _pixel(mean))


def _pixel(mean: np.ndarray) -> np.ndarray:
    return np.asarray(mean.reshape(-1, mean.shape[-1]).mean(axis=0))


def _has_classes(entry: PublishedModel, model: keras.Model) -> bool:
    """Whether the model has the classes of a published network, as far as they are known."""
    if not entry.dataset or _ends_in_labels(model):
        return True
    classes = len(data_set(entry.dataset).classes)
    return [tensor.shape[-1] for tensor in model.outputs] == [classes]
