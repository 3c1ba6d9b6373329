"""From an image to class probabilities, with the model's own preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import either
from keras_fcn.cards.card import card_of
from keras_fcn.inference.blending import Approximation, Blend, blend_of
from keras_fcn.inference.exact_tiles import Tile, image_plan, in_tiles, is_blended, outgrows
from keras_fcn.inference.optimized import InferenceModel, structure_of
from keras_fcn.inference.pictures import read_one
from keras_fcn.inference.score_maps import cut_map
from keras_fcn.inference.structure import fitting_size_of, keras_structure
from keras_fcn.inference.tasks import classifies_at, find_task, gives_rows, wrong_task
from keras_fcn.inference.tiling import Tiles, predict_tiles
from keras_fcn.inference.unfit_sizes import unfit_size
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.input_arrays import check_arrays

if TYPE_CHECKING:
    import keras

_OF_TENSORFLOW = "InvalidArgumentError"
"""What TensorFlow's kernels raise for sizes, told by its name: TensorFlow may not be there."""


def predict(
    model: keras.Model,
    image: Any,
    *,
    preprocessing: Preprocessing | None = None,
    size: tuple[int, int] | str | None = "model",
    tile: Tile = None,
    approximate: bool = False,
    overlap: int | None = None,
) -> np.ndarray:
    """Class scores of one image, or what a detector finds in it.

    A model that carries the tiles it was published with (DilatedNet) is given the image
    tile by tile, see `keras_fcn.inference.tiling`; any other the whole image, at the size that it
    takes. For a map of an image whose size the network cannot take (ENet's are multiples of 8) the
    image is reflected at its lower and right border, and the map cut back. A classifier or a
    detector whose prototxt declares a size gets it, as in Caffe, even where it could take any.

    Args:
        model: a classifier or a fully convolutional network.
        image: a file (a picture, a TIFF of many bands, a `.npy`), a Pillow image, or pixels
            (H, W, channels), RGB where there are three, or (H, W): uint8 0..255 or floats 0..1.
        preprocessing: how the image is prepared; None for the model's own.
        size: (height, width) that the image, a file or an array, is resized to; None keeps
            its own. `"model"`: the size or crop of the preprocessing, else
            `model_size`.
        tile: the largest (height, width) of what the network is given at once of an image, or one
            number for both; `"auto"`: as memory allows. The map is that of the whole image: tiles
            overlap by what its positions see. None for the whole image at once.
        approximate: whether a network that sees more than a tile, such as one with a global
            pooling, may be given tiles all the same; of images larger than the one size that it
            takes, also without `tile`. Their maps are blended where they overlap, and a
            `CaffeWarning` tells how, and which layers saw a tile for the image. Where tiles give
            what the whole gives, it changes nothing.
        overlap: of these, pixels that neighbours have in common at least; None for what the other
            layers see and an eighth of the tile, at most half of it, and a quarter where that is
            unknown.

    Returns:
        float32, (classes,) from a classifier, (rows, columns, classes) from a fully
        convolutional network; of every pixel where there are tiles. From a network that ends
        in DetectionOutput its rows, (detections, 7 or more): image, class, score, and left, top,
        right and bottom as shares of width and height.

    Raises:
        ValueError: the model has several inputs or outputs, or does not know its
            preprocessing, or the image cannot be read or does not fit; the tile is too small.
        ModelError: a layer gives something else on tiles than on the whole image, such as a global
            pooling; the error names it.
    """
    require_one_image(model)
    blend = blend_of(approximate, overlap)
    own = preprocessing or model_preprocessing(model)
    pixels = read_one(image, own.channels)
    if size == "model":
        preparing = fitted_to(model, own, blend, pixels.shape[:2])
    else:
        preparing = sized(own, model, size)
    return predict_prepared(model, preparing(pixels), tile, blend)


def predict_prepared(
    model: keras.Model, prepared: np.ndarray, tile: Tile = None, blend: Blend | None = None
) -> np.ndarray:
    """What a model gives for one prepared image (H, W, channels); see `predict`."""
    run = in_tiles(model, lambda batch: forward(model, batch), tile, blend)
    tiles = model_tiles(model)
    if tiles is not None:
        return predict_tiles(lambda batch: forward(model, batch), prepared, tiles)
    task = find_task(model)
    if task.kind in ("map", "keypoints"):
        return cut_map(model, run, prepared)
    if (tile, blend) != (None, None):
        raise wrong_task("map", task, model)
    output = forward(model, prepared[np.newaxis])
    if gives_rows(model):
        rows = output.reshape(-1, output.shape[2])
        found = rows[:, 1] >= 0  # Caffe gives a row of class -1 where nothing is
        return np.asarray(rows[found])
    return np.asarray(output[0])


class NoNumbersError(ValueError):
    """A network gives NaN, of which none is the largest."""


def require_numbers(model: keras.Model, scores: np.ndarray) -> None:
    """Require scores of which one can be the best.

    Raises:
        NoNumbersError: some are NaN.
    """
    if np.isnan(scores).any():
        raise NoNumbersError(
            f"{model.name!r} gives NaN: {np.count_nonzero(np.isnan(scores))} of {scores.size} "
            "scores; its weights or the image's preparation are wrong"
        )


def require_one_image(model: keras.Model) -> None:
    """Require a model of one input.

    Raises:
        ValueError: it has several.
    """
    if len(model.inputs) != 1:
        raise ValueError(
            f"the model must take one image, and nothing else; model.predict takes more. "
            f"Received: {model.name!r} with inputs {[tensor.name for tensor in model.inputs]}"
        )


def forward(model: keras.Model, batch: np.ndarray) -> np.ndarray:
    """The output of a model for a batch of prepared images.

    Raises:
        ValueError: the model has several outputs, or cannot take these images (an
            `UnfitSizeError`).
    """
    check_arrays(model, batch)
    try:
        found = model.predict(batch, verbose=0)
    except (CaffeError, ValueError) as error:
        raise unfit_size(model, batch.shape, error) from error
    except Exception as error:
        if type(error).__name__ != _OF_TENSORFLOW or isinstance(model, InferenceModel):
            raise
        from keras_fcn.core.refused_inputs import refusal

        raise unfit_size(model, batch.shape, refusal(model, batch, error)) from error
    outputs = flat(found)
    if len(outputs) != 1:
        raise ValueError(
            f"the model must have one output. Received: model {model.name!r} with {len(outputs)}"
        )
    output = np.asarray(outputs[0])
    if not output.size and batch.size:
        empty = ValueError(f"the output of model {model.name!r} is empty")
        raise unfit_size(model, batch.shape, empty)
    return output


def flat(outputs: Any) -> list[Any]:
    """A model's outputs as a list, whatever holds them."""
    if isinstance(outputs, Mapping):
        outputs = [outputs[name] for name in sorted(outputs)]
    if not isinstance(outputs, list | tuple):
        return [outputs]
    return [array for each in outputs for array in flat(each)]


def model_size(model: keras.Model) -> tuple[int, int] | None:
    """(height, width) that images are resized to for a model, unless something else is asked for.

    Its input's size, where that is fixed. Else the size that its prototxt declares, if it
    classifies whole images or finds boxes in them; None where its output is a map of the image,
    which has any size.
    """
    card = card_of(model)
    if card.tiles is not None:
        return None
    shapes = [tensor.shape for tensor in model.inputs if len(tensor.shape) == 4]
    if len(shapes) != 1:
        return None
    _, height, width, _ = shapes[0]
    if height is not None and width is not None:
        return height, width
    if card.size is None or len(model.inputs) != 1:
        return None
    finds_boxes = find_task(model).kind in ("boxes", "detections")
    return card.size if finds_boxes or classifies_at(model, card.size) else None


def sized(
    preprocessing: Preprocessing, model: keras.Model, size: tuple[int, int] | str | None = "model"
) -> Preprocessing:
    """A preprocessing that resizes images.

    Args:
        preprocessing: whose own size or crop holds, where no size is given.
        model: what the images are for.
        size: (height, width); None to keep the images' own; `"model"` for
            `model_size`.
    """
    if isinstance(size, str):
        if preprocessing.size or preprocessing.crop:
            return preprocessing
        size = model_size(model)
    elif size is not None:
        preprocessing = dataclasses.replace(preprocessing, crop=None)
    return dataclasses.replace(preprocessing, size=size)


def fitted_to(
    model: keras.Model, preprocessing: Preprocessing, blend: Blend | None, pixels: tuple[int, int]
) -> Preprocessing:
    """The preprocessing of an image of (height, width).

    It is that of `sized`, but for a network of one size whose tiles may be blended, an image that
    is larger keeps its size; or has a larger one that the preprocessing tells.
    """
    if blend is not None and outgrows(model, pixels):
        if outgrows(model, preprocessing.sizes(pixels)[1]):
            return preprocessing
        return dataclasses.replace(preprocessing, size=None, crop=None)
    return sized(preprocessing, model)


def approximation_of(
    model: keras.Model,
    preprocessing: Preprocessing,
    blend: Blend,
    tile: Tile,
    pixels: tuple[int, int],
) -> Approximation | None:
    """How tiles of an image of (height, width) are blended; None where its map is that of one pass.

    Arguments are those of `fitted_to` and `in_tiles`.
    """
    size = fitted_to(model, preprocessing, blend, pixels).sizes(pixels)[1]
    size = fitting_size_of(structure_of(model), size)
    plan = image_plan(keras_structure(model), size, tile or "auto", blend=blend)
    return Approximation.of(plan) if plan is not None and is_blended(plan) else None


def model_preprocessing(model: keras.Model) -> Preprocessing:
    """The preprocessing that a model carries, to the size of `model_size`.

    Raises:
        ValueError: it carries none.
    """
    own = card_of(model).preprocessing
    if own is None:
        how = either(
            "preprocessing=keras_fcn.Preprocessing(...), or tell it once by keras_fcn.with_card",
            "--mean, or --mean none",
        )
        raise ValueError(
            f"the model does not know how its images are prepared; give {how}. "
            f"Received: model {model.name!r}"
        )
    return sized(own, model)


def model_tiles(model: keras.Model) -> Tiles | None:
    """The tiles that a model carries, if any."""
    return card_of(model).tiles
