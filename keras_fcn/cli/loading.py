"""Meaning of `--model` and `--weights`, checked before TensorFlow starts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import net_options
from keras_fcn.cli.flags import flag
from keras_fcn.loading.finding import find_model, require_files

if TYPE_CHECKING:
    import keras

    from keras_fcn.datasets import LabelledImages

__all__ = ["loader_for", "model_loader", "require_files"]


def model_loader(
    model: str,
    weights: str | None,
    net: Mapping[str, Any] | None = None,
    *,
    to_train: bool = False,
) -> Callable[[], keras.Model]:
    """Find what loads a model; see `keras_fcn.load`.

    Args:
        model: the command line's value.
        weights: a weights file for it.
        net: how a prototxt is read, see `keras_fcn.cli.net_options.given`.
        to_train: whether the weights may be those of another network, such as a
            classifier's, that has the model's body.

    Returns:
        A function that loads the model.

    Raises:
        ValueError: the model is none of the kinds, or comes with its weights already.
        FileNotFoundError: there is no such file of a model or its weights.
    """
    found = find_model(model, weights, net, trained_only=not to_train, option=flag)

    def load() -> keras.Model:
        if found.unfilled:
            print(_random(found.unfilled, "starts from" if to_train else "has"), file=sys.stderr)
        return found.load()

    return load


def loader_for(
    options: argparse.Namespace,
    data: LabelledImages,
    *,
    crop: tuple[int, int] | None = None,
    to_train: bool = False,
) -> Callable[[], keras.Model]:
    """Find what loads the model of a command that reads data; see `model_loader`.

    What cannot be found is refused now. Sizes that a prototxt leaves to its data are those of the
    first image, which is read when the model is loaded.

    Args:
        options: the command line.
        data: what the model is trained or measured on.
        crop: (height, width) that images are brought to.
        to_train: see `model_loader`.
    """
    told = net_options.given(options)
    model_loader(options.model, options.weights, told, to_train=to_train)

    def load() -> keras.Model:
        net = _with_sizes_of(data, Path(options.model), told, crop)
        return model_loader(options.model, options.weights, net, to_train=to_train)()

    return load


def _with_sizes_of(
    data: LabelledImages, path: Path, net: dict[str, Any], crop: tuple[int, int] | None
) -> dict[str, Any]:
    """How a prototxt is read, with the sizes that only the data tell."""
    from keras_fcn.loading.data_shapes import with_shapes_of

    if path.suffix != ".prototxt" or not path.is_file():
        return net
    first = next(pair for pair in data.pairs if pair.name not in data.bad_pairs)
    height, width, channels = first.image.read().shape
    filled = with_shapes_of(path, net, (channels, *(crop or (height, width))))
    if filled != net:
        shapes = ", ".join(
            f"{name} {'x'.join('?' if size is None else str(size) for size in sizes)}"
            for name, sizes in filled["input_shapes"].items()
        )
        print(f"sizes by the data: {shapes}", file=sys.stderr)
    return filled


def _random(name: str, begins: str) -> str:
    """The note on a network without weights, with the published ones that fit it."""
    from keras_fcn.published import published

    fit = [entry.name for entry in published().values() if entry.constructor == name]
    plural = "are its published ones" if len(fit) == 1 else "are published ones"
    known = f"; --weights {' or '.join(fit)} {plural}" if fit else ""
    return f"note: no --weights: {name} {begins} random weights{known}"
