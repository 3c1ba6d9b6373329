"""Verify a network: compare all its blobs with what else computes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.surgery.net import TrainedNet, open_net
from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.exporting.comparing import made_up
from keras_fcn.inference.pictures import pictures
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.loading.load import load
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.to_caffe import to_caffe
from keras_fcn.to_caffe.open_sizes import whole_shapes
from keras_fcn.verifying import proof
from keras_fcn.verifying.causes import explain
from keras_fcn.verifying.comparing import compare
from keras_fcn.verifying.departing import Picture
from keras_fcn.verifying.references import (
    NotComparedError,
    Reference,
    Subject,
    open_reference,
)
from keras_fcn.verifying.report import Array, ParityReport
from keras_fcn.version import __version__

__all__ = ["subject_of", "verify", "verify_subject"]

_FACTORS = (1.0, 0.1, 0.01)
"""Of random inputs where outputs alone are compared: large ones may only show which class wins."""
_READING = frozenset({"phase", "level", "stages", "dialect", "input_shapes", "seed"})
"""How a prototxt is read, but for options of Keras models."""


def verify(
    model: keras.Model | str | Path,
    reference: str | Path | keras.Model | None = None,
    *,
    weights: str | Path | None = None,
    image: Any = None,
    inputs: Array | Mapping[str, Array] | None = None,
    preprocessing: Preprocessing | None = None,
    seed: int = 0,
    keep: bool = True,
    float64: bool | None = None,
    progress: Callable[[str], None] = lambda _: None,
    **net: Any,
) -> ParityReport:
    """Compare a network, blob by blob, with what else computes it.

    Every blob is compared in Caffe's order. Where one is further away than float32 explains, its
    layer is computed anew from what the reference has for the layer's bottoms: that tells the
    layer that does something else from those behind it, and from rounding that has grown. Of the
    first one a cause is looked for, by undoing one that is known after the other.

    Args:
        model: a Keras model, or what `keras_fcn.load` takes, such as a prototxt.
        reference: one of

            - None or `"self"`: the network's own ONNX form in onnxruntime, which is made
              without Keras from the same files;
            - a `.npz`, or a folder, of blobs from the user's own pycaffe;
              `keras-fcn verify --dump-script` prints the script that writes one;
            - `"opencv"`: OpenCV 4, which reads Caffe's files itself;
            - an `.onnx` file, whoever wrote it;
            - a SavedModel's folder, a `.tflite` or `.keras` file, or a Keras model, whose
              layers have the names of Caffe's layers or blobs.
        weights: the weights of a prototxt, see `keras_fcn.load`.
        image: a picture to feed, as the model's card prepares it, or several; see
            `keras_fcn.segment`. They are fed one after the other.
        inputs: arrays to feed in place of a picture: input blob -> array in Caffe's axis
            order, or the one array. By default those of the reference where it was computed
            for some, else random ones.
        preprocessing: how pictures are prepared; None for what the model knows.
        seed: of random inputs.
        keep: whether the report keeps parts of the blobs, for `keras_fcn.verifying.write_page`.
        float64: whether the network is computed in float64 too, by ONNX's reference evaluator, of
            the package `onnx`: what float32 makes of it tells rounding from what is otherwise.
            None: for `"self"`, and from the first blob on that is apart, as far as it takes
            seconds; True: of every blob, which may take minutes; False: not at all.
        progress: a function that is told each blob's name as it is reached.
        **net: how a prototxt is read, see `keras_fcn.load`.

    Returns:
        The report; it prints as a table, and `report.passed` tells whether all is the same;
        where outputs are not in the reference or are NaN, or blobs are as far apart as only noise
        explains, that is not proven, see `report.doubts`.

    Raises:
        CaffeError: a file is wrong, or the reference cannot be compared with.
        FileNotFoundError: there is no such file.
        ValueError: arguments that do not go together.

    Example:
        ```python
        report = keras_fcn.verify("deploy.prototxt", "dump.npz", weights="net.caffemodel")
        print(report)
        assert report.passed
        ```
    """
    return verify_subject(
        subject_of(model, weights, **net),
        reference,
        image=image,
        inputs=inputs,
        preprocessing=preprocessing,
        seed=seed,
        keep=keep,
        float64=float64,
        progress=progress,
    )


def verify_subject(
    subject: Subject,
    reference: str | Path | keras.Model | None = None,
    *,
    image: Any = None,
    inputs: Array | Mapping[str, Array] | None = None,
    preprocessing: Preprocessing | None = None,
    seed: int = 0,
    keep: bool = True,
    float64: bool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> ParityReport:
    """As `verify`, of a network that is loaded."""
    opened = open_reference(reference, subject)
    fed = _fed(subject, opened, image, inputs, preprocessing, seed)
    how = {"keep": keep, "float64": float64, "progress": progress}
    return proof.worst([_report(subject, opened, x, **how) for x in fed])


@dataclass(frozen=True)
class _Fed:
    """One batch, and what people are told of it."""

    arrays: Mapping[str, Array]
    told: str
    picture: Picture | None = None


def subject_of(
    model: keras.Model | str | Path,
    weights: str | Path | None = None,
    *,
    loader: Callable[..., keras.Model] = load,
    **net: Any,
) -> Subject:
    """The network that is verified, in Keras and, read by other code, as Caffe has it.

    Args:
        model: see `verify`.
        weights: see `verify`.
        loader: loads it, called as `keras_fcn.load`.
        **net: see `verify`.

    Raises:
        CaffeError: a file is wrong.
        ValueError: `weights` or `net` for a model that is loaded.
    """
    if isinstance(model, keras.Model):
        if weights is not None or net:
            given = ", ".join(["weights"] * (weights is not None) + sorted(net))
            raise ValueError(f"{given}: for a prototxt. Received: the model {model.name!r}")
        return Subject(model, _net(model))
    loaded = loader(model, weights, **net)
    prototxt = Path(model).is_file() and Path(model).suffix != ".keras"
    if weights is None or not prototxt or not Path(weights).is_file() or net.keys() - _READING:
        return Subject(loaded, _net(loaded))
    with warnings.catch_warnings(), open_weights(weights) as stored:
        warnings.simplefilter("ignore", CaffeWarning)  # loading said it
        own = open_net(model, weights, **net)
        names = {x.name: x.keras_name for x in own.network.layers}
        lacking = [x for x in own.params if x not in stored and names[x] not in stored]
    if not lacking:
        return Subject(loaded, own, (str(model), str(weights)))
    filled = to_caffe(loaded).params  # as the builder did, be it by fillers or of other layers
    for name in lacking:
        if name in filled:
            own.params[name] = filled[name]
    return Subject(loaded, own)


def _net(model: keras.Model) -> TrainedNet:
    """A model as Caffe has it; sizes that it leaves open are some that it takes."""
    if defined_network(model) is not None:
        return to_caffe(model)
    return to_caffe(model, {x: y for x, y in whole_shapes(model, {}).items() if len(y) > 1})


def _fed(
    subject: Subject,
    reference: Reference,
    image: Any,
    inputs: Array | Mapping[str, Array] | None,
    preprocessing: Preprocessing | None,
    seed: int,
) -> Iterator[_Fed]:
    """What the network is fed: each is one pass."""
    names = list(subject.network.input_shapes)
    if image is not None and inputs is not None:
        raise ValueError("image and inputs are two ways to say the same; give one of them")
    if image is not None:
        yield from _pictures(subject, image, preprocessing)
    elif inputs is not None:
        if not isinstance(inputs, Mapping):
            if len(names) != 1:
                raise ValueError(f"the network has inputs {names}. Received: one array")
            inputs = {names[0]: inputs}
        arrays = {name: np.asarray(array, np.float32) for name, array in inputs.items()}
        yield _Fed(arrays, f"the given {_shapes(arrays)}")
    elif reference.inputs is not None:
        yield _Fed(reference.inputs, f"the reference's own {_shapes(reference.inputs)}")
    elif reference.unknown:
        raise NotComparedError(
            f"{reference.description} were made of an input that is not among them, "
            f"{', '.join(map(repr, reference.unknown))}; give "
            f"{either('image= or inputs=', '--image')}, or dump it too"
        )
    else:
        inner = set(reference.names) - {x.name for x in subject.network.outputs} - set(names)
        for factor in (1.0,) if inner else _FACTORS:
            made = made_up(subject.network.input_shapes, (), seed)
            arrays = {name: array * np.float32(factor) for name, array in made.items()}
            scale = "" if factor == 1 else f" times {factor}"
            told = f"random {_shapes(arrays)}, seed {seed}{scale}" if arrays else "nothing"
            yield _Fed(arrays, told)


def _pictures(subject: Subject, image: Any, preprocessing: Preprocessing | None) -> Iterator[_Fed]:
    prepare = preprocessing or model_preprocessing(subject.model)
    names = list(subject.network.input_shapes)
    if len(names) != 1:
        raise ValueError(f"a picture is for a network of one input. Received: inputs {names}")
    for picture in pictures(image):
        pixels = picture.read(prepare.channels)
        batch = prepare(pixels)[np.newaxis]
        arrays = {names[0]: np.ascontiguousarray(np.moveaxis(batch, -1, 1), np.float32)}
        yield _Fed(
            arrays, f"{picture.name} as {_shapes(arrays)}", Picture(_as_rgb(pixels), prepare)
        )


def _as_rgb(pixels: Array) -> Array:
    """Pixels as they are read, in 0..255."""
    return pixels if pixels.dtype == np.uint8 else np.asarray(pixels * 255, np.float32)


def _shapes(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{x} {'x'.join(map(str, y.shape))}" for x, y in arrays.items())


def _report(subject: Subject, reference: Reference, fed: _Fed, **how: Any) -> ParityReport:
    found = compare(subject, reference, fed.arrays, explain, picture=fed.picture, **how)
    network, classes = subject.network, card_of(subject.model).classes
    return ParityReport(
        network=network.name or Path(network.path).stem,
        results=found.results,
        reference=reference.description,
        cause=found.cause,
        departed=found.departed,
        versions={"keras_fcn": __version__, "keras": keras.__version__, **reference.versions},
        inputs=(fed.told,),
        notes=(*reference.notes, *proof.notes(network, found.results)),
        outputs=tuple(blob.name for blob in network.outputs),
        unproven=proof.unproven(network, found.results),
        float64=found.float64,
        classes=() if classes is None else tuple(classes.names),
        picture=None if fed.picture is None else fed.picture.pixels,
    )
