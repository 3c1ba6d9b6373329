"""SavedModels and LiteRT files in their own runtimes, which show their outputs alone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.startup import filtered_stderr

Array = npt.NDArray[Any]
_SIGNATURE = "serving_default"
_NOTES = re.compile(rb"INFO: ")  # of LiteRT, such as that it has made a delegate


@dataclass(frozen=True)
class Program:
    """A loaded file.

    Attributes:
        run: input name -> array to output name -> array, both in the file's axis order.
        inputs: input name -> its shape; None or -1 where a size is free.
        outputs: names of what it gives.
        versions: program -> version.
    """

    run: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    inputs: Mapping[str, Sequence[int | None]]
    outputs: Sequence[str]
    versions: Mapping[str, str]


def opened_saved_model(path: Path) -> Program:
    """A SavedModel's default signature.

    Raises:
        CaffeError: it has none.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures.get(_SIGNATURE)
    if function is None:
        raise CaffeError(
            f"{path} needs the signature {_SIGNATURE!r}, has {sorted(loaded.signatures)}"
        )
    specs = function.structured_input_signature[1]

    def run(fed: Mapping[str, Array]) -> dict[str, Array]:
        _ = loaded  # whose variables go with it
        found = function(**{x: tf.cast(y, specs[x].dtype) for x, y in fed.items()})
        return {name: np.asarray(value) for name, value in found.items()}

    shapes = {name: spec.shape.as_list() for name, spec in specs.items()}
    return Program(run, shapes, list(function.structured_outputs), {"tensorflow": tf.__version__})


def opened_litert(path: Path) -> Program:
    """A LiteRT file's default signature.

    Raises:
        CaffeError: it has none.
    """
    interpreter, versions = _interpreter(path)
    signatures = interpreter.get_signature_list()
    if not signatures:
        raise CaffeError(f"{path} has no signature, so its inputs and outputs have no names")
    key = _SIGNATURE if _SIGNATURE in signatures else next(iter(signatures))
    runner = interpreter.get_signature_runner(key)
    details = runner.get_input_details()

    def run(fed: Mapping[str, Array]) -> dict[str, Array]:
        _ = interpreter  # which the runner is a part of
        with filtered_stderr(_NOTES):
            return dict(runner(**{x: y.astype(details[x]["dtype"]) for x, y in fed.items()}))

    shapes = {name: list(detail["shape_signature"]) for name, detail in details.items()}
    return Program(run, shapes, list(runner.get_output_details()), versions)


def _interpreter(path: Path) -> tuple[Any, dict[str, str]]:
    """The interpreter in TensorFlow, which knows TensorFlow's operators, else LiteRT's own."""
    import tensorflow as tf

    if hasattr(tf.lite, "Interpreter"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it moves to the other package
            return tf.lite.Interpreter(str(path)), {"tensorflow": tf.__version__}
    from ai_edge_litert import interpreter as litert

    return litert.Interpreter(str(path)), {"ai_edge_litert": metadata.version("ai-edge-litert")}
