"""A model from whatever holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.device import describe_device
from keras_fcn.loading.finding import find_model
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.surgery.cards import with_card

__all__ = ["load"]


def load(
    model: str | Path,
    weights: str | Path | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    classes: int | str | Sequence[str] | Classes | None = None,
    palette: Any = None,
    **net: Any,
) -> keras.Model:
    """Load a model by its name or from its files, with all that is known of its job.

    What the command line's `--model` and `--weights` do. A file of Caffe weights is
    recognised by its hash, whatever its name; a published network's classes, preparation of
    images and tiles go with it, and so does a mean that the converter stored. The model's
    `card` holds them, and `keras_fcn.predict` and `keras_fcn.segment` use them.

    Args:
        model: one of

            - the name of a published model (`keras-fcn models` lists them): its network
              with its weights, which are downloaded once;
            - the name of a function of `keras_fcn.models`, `"CaffeNet"` or
              `"caffenet"`: with `weights`, of as many classes as these have, or random;
            - a prototxt, with `weights`, or Caffe's fillers;
            - a `.caffemodel`, also gzipped, or a `.h5` of the converter, alone: the
              published network that it is, else the network that it carries, which in a
              `.caffemodel` is often that of training;
            - a `.keras` file, or a whole model in `.h5`;
            - the folder of a SavedModel with one input and one output.
        weights: a `.caffemodel`, a `.h5` of the converter, or the name of a published
            model. Weights that lack layers of a network of `keras_fcn.models` leave those
            untrained, with a warning.
        preprocessing: how images are prepared; None for what the files tell.
        classes: what the outputs stand for: names, a `Classes`, the name of a data set, or
            how many there are; see `keras_fcn.with_card`.
        palette: colours of the classes, whole numbers 0..255, (classes, 3), RGB.
        **net: how a network of Caffe is read: `phase`, `level`, `stages`, `dialect`,
            `input_shapes`, `outputs`, `rename`, `seed`, `max_bytes` of
            `keras_fcn.from_caffe`. For a prototxt or a weights file only.

    Returns:
        A model; images are (batch, height, width, channels), outputs (batch, classes) or
        (batch, rows, columns, classes).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no model has this name, or the arguments do not go together or do not
            fit the model.
        CaffeError: a file is wrong, or the weights do not fit.

    Example:
        ```python
        model = keras_fcn.load("deploy.prototxt", "net.caffemodel")
        model = keras_fcn.load("fcn8s-heavy-pascal")
        labels = keras_fcn.segment(model, "street.jpg")
        model.card.classes.names[labels[0, 0]]
        ```
    """
    found = find_model(model, weights, net)
    loaded = found.load()
    describe_device()
    told = {"preprocessing": preprocessing, "classes": classes, "palette": palette}
    return loaded if all(x is None for x in told.values()) else with_card(loaded, **told)
