"""From images to the values of a layer: features for search, clusters, other classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.words import either
from keras_fcn.cards.card import card_of
from keras_fcn.hints import did_you_mean
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.optimized import outputs_in, structure_of
from keras_fcn.inference.prediction import model_preprocessing, sized
from keras_fcn.inference.structure import calls_of, keras_structure, layers_of
from keras_fcn.inference.tasks import find_task, scorer
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.input_arrays import check_arrays

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.calls import Call

__all__ = ["embed", "embedding"]


def embed(
    model: keras.Model,
    images: Any,
    layer: str | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    size: tuple[int, int] | str | None = "model",
    skip_bad: bool = False,
) -> Any:
    """Values of a layer for images.

    Args:
        model: a network of one input.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels), RGB, uint8 0..255 or floats 0..1; or a batch of these, a list,
            a generator.
        layer: a blob by its Caffe name, whose final content is given as by `keras_fcn.blobs`,
            or a layer of the model. None for what the layer that scores classes reads, such as
            `"fc7"`; for the output of a network that ends in features.
        preprocessing: how images are prepared; None for the model's own.
        size: as for `keras_fcn.predict`.
        skip_bad: None stands in the place of a picture of several that cannot be read, and a
            warning names it.

    Returns:
        For one image float32, channels-last: (features,) of a vector or of a map of one
        position, else (rows, columns, channels). For several a list of these, in their order;
        vectors become a matrix by `numpy.stack`.

    Raises:
        ValueError: there is no such layer, or an image cannot be read or does not fit.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    return answers(embedding(model, preprocessing, size, layer), images, skip_bad)


def embedding(
    model: keras.Model,
    preprocessing: Preprocessing,
    size: tuple[int, int] | str | None = "model",
    layer: str | None = None,
    *,
    option: Callable[[str], str] = str,
) -> Job:
    """The job of `embed`."""
    structure = layers_of(model) if layer is None else keras_structure(model)
    run = _runs(model, structure, _tensors(structure, layer, option), layer)
    preprocessing = sized(preprocessing, model, size)

    def infer_many(prepared: np.ndarray) -> list[np.ndarray]:
        check_arrays(model, prepared)
        blob, *content = map(np.asarray, run(prepared))
        if content:  # another blob has overwritten this one in place
            from keras_fcn.inference.inspection import to_caffe_order, to_channels_last

            blob = to_channels_last(to_caffe_order(content[0]).reshape(to_caffe_order(blob).shape))
        return [x.reshape(-1) if x.size == x.shape[-1] else x for x in blob]

    def infer(prepared: np.ndarray) -> np.ndarray:
        return infer_many(prepared[np.newaxis])[0]

    return Job(preprocessing.channels, preprocessing, infer, lambda values, _: values, infer_many)


def _runs(
    model: Any, structure: Any, wanted: list[Any], layer: str | None
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """What computes some tensors of a network; one in an engine gives its outputs alone."""
    if structure_of(model) is model:
        from keras_fcn.inference.probes import probe

        whole = probe(model, wanted)
        return lambda batch: outputs_in(whole.predict(batch, verbose=0))
    ends = [id(tensor) for tensor in structure.outputs]
    if not all(id(tensor) in ends for tensor in wanted):
        cut = either("outputs=[blob]", "--output-blob BLOB")
        raise ValueError(
            f"an optimized network gives its outputs alone, not {layer or 'what they are made of'}"
            f"; embed takes the model, or one read with {cut}. Received: {model!r}"
        )

    def run(batch: np.ndarray) -> list[np.ndarray]:
        outputs = outputs_in(model.predict(batch))
        return [outputs[ends.index(id(tensor))] for tensor in wanted]

    return run


def _tensors(model: Any, layer: str | None, option: Callable[[str], str]) -> list[Any]:
    """The tensor of a layer or blob; behind it the one that holds its content, if another does."""
    if layer is None:
        return [_before_scores(model, option)]
    from keras_fcn.inference.inspection import tensors_of

    known = tensors_of(model)
    layers = {x.name: x.output for x in model.layers if not isinstance(x.output, list | dict)}
    if layer in known:
        place = card_of(model).contents.get(layer)
        return [known[layer], *([] if place is None else [known[tuple(place)]])]
    if layer in layers:
        return [layers[layer]]
    names = [*(x for x in known if isinstance(x, str)), *layers]
    raise ValueError(
        f"{option('layer')} must be a blob or a layer of {model.name!r}"
        f"{did_you_mean(layer, names)}. Received: {layer}"
    )


def _before_scores(model: Any, option: Callable[[str], str]) -> Any:
    task = find_task(model)
    if len(model.outputs) == 1 and task.kind == "other":
        return model.outputs[0]
    if task.kind in ("classes", "map"):
        made = {id(x): call for call in calls_of(model) for x in call.outputs}
        call: Call | None = scorer(made[id(model.outputs[0])], made)[0]
        while call is not None and call.inputs:
            if call.operation.weights:
                return call.inputs[0]
            call = made.get(id(call.inputs[0]))
    raise ValueError(
        f"{task.why}, so it has no layer that scores classes; give {option('layer')}, a blob or a "
        f"layer. Received: {model.name!r}"
    )
