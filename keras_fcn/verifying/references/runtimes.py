"""SavedModels and LiteRT files: what shows its outputs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.verifying.references.base import NotComparedError, Reference, Subject, unlike
from keras_fcn.verifying.references.matching import (
    back,
    inputs_among,
    outputs_among,
    require_blobs,
    takes_channels_last,
    turned,
)
from keras_fcn.verifying.report import Array

Run = Callable[[Mapping[str, Array]], Mapping[str, Any]]


class Runtime(Reference):
    """The outputs of a file in its own runtime.

    Args:
        path: a SavedModel's folder, or a `.tflite` file.
        subject: the network.

    Raises:
        NotComparedError: the file is not loaded, or its outputs are not those of the network.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        what = "LiteRT file" if path.is_file() else "SavedModel"
        self._what = f"the {what} {path}"
        try:
            self._run, shapes, outputs, self.versions = (
                _litert(path) if path.is_file() else _saved_model(path)
            )
        except NotComparedError:
            raise
        except Exception as error:  # TensorFlow's and LiteRT's have no common class
            raise unlike(f"cannot load {self._what}", error) from error
        self.description = self._what
        self._tensors = outputs_among(outputs, subject.network)
        require_blobs(self._tensors, outputs, self.description)
        self._inputs = inputs_among(list(shapes), subject.network, self.description)
        self._shapes, self._blobs = shapes, subject.network.blobs

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._tensors)

    def read(
        self, names: Sequence[str], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[str, Array]]:
        images = {x: y for x, y in self._inputs.items() if inputs[y].ndim > 2}
        last = any(takes_channels_last(self._shapes[x], inputs[y]) for x, y in images.items())
        fed = {name: turned(inputs[blob], last) for name, blob in self._inputs.items()}
        try:
            found = self._run(fed)
        except Exception as error:  # TensorFlow's and LiteRT's have no common class
            raise unlike(f"{self._what} does not run", error) from error
        for name in names:
            yield name, back(found[self._tensors[name]], self._blobs[name], last or not images)


def _saved_model(path: Path) -> tuple[Run, dict[str, Sequence[Any]], list[str], dict[str, str]]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    run = loaded.signatures.get("serving_default")
    if run is None:
        raise NotComparedError(
            f"{path} needs the signature 'serving_default', has {sorted(loaded.signatures)}"
        )
    specs = run.structured_input_signature[1]

    def called(fed: Mapping[str, Array]) -> Mapping[str, Any]:
        _ = loaded  # whose variables go with it
        return dict(run(**{x: tf.cast(y, specs[x].dtype) for x, y in fed.items()}))

    shapes = {name: spec.shape.as_list() for name, spec in specs.items()}
    return called, shapes, list(run.structured_outputs), {"tensorflow": tf.__version__}


def _litert(path: Path) -> tuple[Run, dict[str, Sequence[Any]], list[str], dict[str, str]]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path))
    signatures = interpreter.get_signature_list()
    if not signatures:
        raise NotComparedError(f"{path} has no signature, so its inputs and outputs have no names")
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
    runner = interpreter.get_signature_runner(key)
    inputs = runner.get_input_details()
    shapes: dict[str, Sequence[Any]] = {x: list(y["shape_signature"]) for x, y in inputs.items()}

    def called(fed: Mapping[str, Array]) -> Mapping[str, Any]:
        return dict(runner(**{x: y.astype(inputs[x]["dtype"]) for x, y in fed.items()}))

    return called, shapes, list(runner.get_output_details()), {"tensorflow": tf.__version__}
