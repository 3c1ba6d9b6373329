"""A network with its job, described so that other processes can make it, and what it says."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_fcn.hints import did_you_mean
from keras_fcn.inference.jobs import Job, results
from keras_fcn.inference.pictures import Picture, of_bytes, of_pixels, read_input

__all__ = ["FUNCTIONS", "Predictor", "Recipe", "Row", "recipe"]


def _classify(model: Any, preprocessing: Any, **options: Any) -> Job:
    from keras_fcn.inference.classification import classifying

    return classifying(model, preprocessing, **options)


def _segment(model: Any, preprocessing: Any) -> Job:
    from keras_fcn.inference.segmentation import segmenting

    return segmenting(model, preprocessing)


def _detect(model: Any, preprocessing: Any, **options: Any) -> Job:
    from keras_fcn.inference.detection import detecting

    return detecting(model, preprocessing, **options)


def _keypoints(model: Any, preprocessing: Any, **options: Any) -> Job:
    from keras_fcn.inference.keypoints import finding_keypoints

    return finding_keypoints(model, preprocessing, **options)


def _embed(model: Any, preprocessing: Any, **options: Any) -> Job:
    from keras_fcn.inference.embedding import embedding

    return embedding(model, preprocessing, **options)


def _png(labels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG")
    return file.getvalue()


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


class Function(NamedTuple):
    """A function of `keras_fcn` for pictures.

    Attributes:
        job: makes its job of a model, a preprocessing and options.
        encode: from an answer to a value of a table.
        binary: whether that is bytes, not text.
    """

    job: Callable[..., Job]
    encode: Callable[[Any], Any]
    binary: bool = False


FUNCTIONS: Mapping[str, Function] = {
    "classify": Function(_classify, json.dumps),
    "segment": Function(_segment, _png, binary=True),
    "detect": Function(_detect, json.dumps),
    "keypoints": Function(_keypoints, json.dumps),
    "embed": Function(_embed, _npy, binary=True),
}


class Row(NamedTuple):
    """What is said of a picture.

    Attributes:
        result: the encoded answer; None where there is none.
        error: why there is none; None where there is one.
    """

    result: Any
    error: str | None


@dataclass(frozen=True)
class Recipe:
    """How a process makes a network and its job.

    Attributes:
        model: what `keras_fcn.load` takes, or the bytes of a `.keras` file.
        weights: for it.
        net: how a network of Caffe is read.
        engine: what computes, see `keras_fcn.optimize_for_inference`; None for Keras.
        function: a name of `FUNCTIONS`; None for the one that the network is for.
        preprocessing: how images are prepared; None for the model's own.
        options: of the function.
    """

    model: str | bytes
    weights: str | None
    net: Mapping[str, Any]
    engine: str | None
    function: str | None
    preprocessing: Any
    options: Mapping[str, Any]

    def load(self) -> Any:
        """The model."""
        from keras_fcn.inference.optimizing import optimize_for_inference
        from keras_fcn.loading.load import load

        if isinstance(self.model, bytes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(self.model)
                model = load(path)
        elif self.engine is not None:
            return optimize_for_inference(self.model, self.weights, engine=self.engine, **self.net)
        else:
            return load(self.model, self.weights, **self.net)
        return model if self.engine is None else optimize_for_inference(model, engine=self.engine)


def recipe(
    model: Any,
    weights: Any = None,
    *,
    function: str | None = None,
    preprocessing: Any = None,
    engine: str | None = None,
    net: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of a model, or of its files; arguments as `Recipe`'s.

    Raises:
        ValueError: there is no such function, or weights for a model that has its own.
        TypeError: the model is neither a Keras model nor names files.
    """
    if function is not None and function not in FUNCTIONS:
        raise ValueError(
            f"function must be one of {', '.join(FUNCTIONS)}{did_you_mean(function, FUNCTIONS)}. "
            f"Received: {function!r}"
        )
    if isinstance(model, str | Path):
        stored: str | bytes = _address(model)
    elif hasattr(model, "save"):
        if weights is not None or net:
            raise ValueError("weights, and how a network is read, are for files and names")
        stored = _saved(model)
    else:
        raise TypeError(f"model must be a Keras model, a file or a name. Received: {model!r}")
    told = None if weights is None else _address(weights)
    return Recipe(stored, told, net or {}, engine, function, preprocessing, options or {})


def _address(file: str | Path) -> str:
    """A file as processes with another current folder find it; a name as it is."""
    return str(Path(file).resolve()) if Path(file).exists() else str(file)


def _saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


class Predictor:
    """A network that is loaded, and says what it is for.

    Args:
        recipe: how it is made.
        batch: how many pictures of one size go through it together.
    """

    def __init__(self, recipe: Recipe, batch: int = 1) -> None:
        from keras_fcn.inference.prediction import model_preprocessing
        from keras_fcn.inference.tasks import find_task, function_of

        model = recipe.load()
        self.function = recipe.function or function_of(find_task(model))
        self._batch = batch
        preprocessing = recipe.preprocessing or model_preprocessing(model)
        self._encode = FUNCTIONS[self.function].encode
        self._job = FUNCTIONS[self.function].job(model, preprocessing, **recipe.options)

    def rows(self, values: Iterable[Any]) -> Iterator[Row]:
        """A row for each picture, in their order.

        Args:
            values: files, by name; encoded pictures, bytes; or pixels, uint8 (H, W, channels).
        """
        found: Iterator[Row] = results(
            self._job, map(_picture, values), self._row, batch=self._batch
        )
        return found

    def _row(self, result: Any) -> Row:
        if result.error is not None:
            return Row(None, str(result.error))
        return Row(self._encode(result.answer), None)


def _picture(value: Any) -> Picture:
    """A value of a table as a picture; one that is none is bad, as a broken file is."""
    if isinstance(value, bytes | bytearray | memoryview):
        return of_bytes(bytes(value))
    if isinstance(value, np.ndarray):
        return of_pixels(value)
    return Picture(str(value), partial(read_input, str(value)))
