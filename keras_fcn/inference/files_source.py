"""Files of Caffe and of engines in an engine, without Keras."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.names import keras_model_name
from keras_fcn.caffe.net.saving import NETWORK_NAME, from_text
from keras_fcn.caffe.surgery.net import TrainedNet, open_net
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.cards.card import Card
from keras_fcn.cards.stored import read_card, recall
from keras_fcn.engines import kinds
from keras_fcn.engines.file_structure import FileStructure
from keras_fcn.engines.kinds import ENGINES, TENSORFLOW, Asked
from keras_fcn.engines.running import Engine, small_images
from keras_fcn.engines.structure import NetworkStructure, declared_size
from keras_fcn.inference.engines import in_engine, labels_changed, prepared
from keras_fcn.inference.optimized import InferenceModel, Ready, Runs, Tensor
from keras_fcn.preprocessing.transforms import told_preprocessing

__all__ = ["of_files"]

_TEXTS = (".prototxt", ".pbtxt", ".txt")
_OPTIONS = {"phase", "level", "stages", "dialect", "input_shapes", "outputs", "seed"}


def of_files(
    path: Path,
    weights: str | Path | None,
    asked: Asked,
    images: Any = None,
    net: Mapping[str, Any] | None = None,
) -> InferenceModel | None:
    """A network of files for inference; see `keras_fcn.optimize_for_inference`.

    Args:
        path: a prototxt, an `.onnx` or a `.param` file.
        weights: of a prototxt.
        asked: the engine.
        images: pictures to compare labels by.
        net: how a network of Caffe is read.

    Returns:
        None where Keras has to read them: they are others, or the engine is TensorFlow.

    Raises:
        CaffeError: a file is wrong, or the engine cannot run it.
        ValueError: the engine does not read such files.
    """
    if path.suffix.lower() in ENGINES.values():
        if weights is not None or net:
            raise ValueError(f"{path} holds its weights and its network; leave other options out")
        return _of_engine_file(path, asked)
    options = dict(net or {})
    known = path.suffix.lower() in _TEXTS and path.is_file() and options.keys() <= _OPTIONS
    if not known or asked.engine == TENSORFLOW or not _is_file(weights):
        return None
    return _of_caffe(path, weights, asked, images, options)


def _is_file(weights: str | Path | None) -> bool:
    return weights is None or Path(weights).is_file()


def _of_caffe(
    path: Path,
    weights: str | Path | None,
    asked: Asked,
    images: Any,
    options: Mapping[str, Any],
) -> InferenceModel | None:
    from keras_fcn.published.identification import hash_ahead
    from keras_fcn.published.provenance import note_source

    if weights is None:
        net, structure = _read(path, None, options)
    else:
        with open_weights(weights) as stored:
            hash_ahead(stored)
            net, structure = _read(path, weights, options)
            note_source(structure, stored)
    try:
        return _ready(net, structure, asked, images)
    except CaffeError:
        if asked.engine != "auto":
            raise
    if asked.precision == "float32":  # ONNX has layers that ncnn lacks
        with contextlib.suppress(CaffeError):
            return _ready(net, structure, asked._replace(engine="onnxruntime"), images)
    return None  # TensorFlow, which says why


def _read(
    path: Path, weights: str | Path | None, options: Mapping[str, Any]
) -> tuple[TrainedNet, NetworkStructure]:
    net = open_net(path, weights, **options)
    network = net.network
    card = Card(
        network.name,
        size=declared_size(network),
        preprocessing=told_preprocessing(network),
        phase=network.state.phase or "TEST",
    )
    structure = NetworkStructure(network, keras_model_name(network.name), card)
    if network.card:
        place = f"the first line of {path}"
        recall(structure, network.card, place, structure.class_count)
    return net, structure


def _ready(
    net: TrainedNet, structure: NetworkStructure, asked: Asked, images: Any
) -> InferenceModel:
    given = small_images(net)
    names = structure.output_names
    reference = _reference(net, asked, list(given))
    ready, apart = in_engine(net, asked, given, reference, names, "onnxruntime")
    changed = None
    if asked.precision != "float32" and reference is not None:
        batches = [list(given.values())] if images is None else prepared(structure, images)
        changed = labels_changed(net, ready.run, reference, batches)
    made = InferenceModel(
        ready,
        structure,
        structure.card,
        [Tensor(x.name, x.shape) for x in structure.inputs],
        [Tensor(name, x.shape) for name, x in zip(names, structure.outputs, strict=True)],
        rows=any(layer.rows for layer in net.network.layers),
        precision=asked.precision,
        difference=apart,
    )
    made.changed_labels = changed
    return made


def _reference(net: TrainedNet, asked: Asked, inputs: Sequence[str]) -> Runs | None:
    """The ONNX form in onnxruntime; None where that is what is asked for."""
    if asked.engine == "onnxruntime":
        return None
    try:
        return Engine(net, kinds.forms(net, Asked("onnxruntime"), fold=False), inputs)
    except CaffeError as error:
        warnings.warn(f"the engine's numbers are not compared: {error}", CaffeWarning, stacklevel=6)
        return None


def _of_engine_file(path: Path, asked: Asked) -> InferenceModel:
    """A file of an engine's own; its layers are known where it tells the network."""
    ending = path.suffix.lower()
    fitting = [name for name, own in ENGINES.items() if own == ending]
    if asked.engine not in ("auto", *fitting):
        raise ValueError(
            f"{path} is for engine={' or '.join(map(repr, fitting))}. "
            f"Received: engine={asked.engine!r}"
        )
    engine = fitting[0] if asked.engine == "auto" else asked.engine
    form = kinds.file_form(path, asked._replace(engine=engine))
    card = read_card((form.metadata or {}).get(CARD_NAME, ""), str(path))
    file = FileStructure(path, form, card)
    return InferenceModel(
        Ready(engine, file.run),
        _network_of(file) or file,
        card,
        [Tensor(x.name, x.shape) for x in file.inputs],
        [Tensor(x.name, x.shape) for x in file.outputs],
        rows=file.gives_rows,
        precision=asked.precision,
    )


def _network_of(file: FileStructure) -> NetworkStructure | None:
    """The layers of the network that a file was written of, where it tells them.

    Raises:
        CaffeError: what it tells is no network.
    """
    text = (file.form.metadata or {}).get(NETWORK_NAME)
    if not text:
        return None
    network = from_text(text, str(file.path))
    if [x.name for x in network.outputs] != list(file.form.outputs):
        return None  # the file has others, such as what detections are made of
    free = any(None in x.shape[1:-1] for x in file.inputs)
    return NetworkStructure(network, file.name, file.card, any_size=free)
