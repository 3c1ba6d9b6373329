"""Meaning of `--model` and `--weights`, checked before TensorFlow starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_fcn.cli.flags import flag
from keras_fcn.loading.finding import find_model, require_files

if TYPE_CHECKING:
    import keras

__all__ = ["model_loader", "require_files"]


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


def _random(name: str, begins: str) -> str:
    """The note on a network without weights, with the published ones that fit it."""
    from keras_fcn.published import published

    fit = [entry.name for entry in published().values() if entry.constructor == name]
    plural = "are its published ones" if len(fit) == 1 else "are published ones"
    known = f"; --weights {' or '.join(fit)} {plural}" if fit else ""
    return f"note: no --weights: {name} {begins} random weights{known}"
