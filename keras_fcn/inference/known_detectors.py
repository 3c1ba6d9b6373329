"""Which detector a network is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.inference.detectors import ClusterDetector, Detector, RegionDetector
from keras_fcn.inference.grids import GridDetector, MapsDetector
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.structure import calls_of, keras_structure, layers_of
from keras_fcn.inference.tasks import find_task, gives_rows, kind_of, scorer, wrong_task

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.calls import Call

__all__ = ["find_detector"]

_WITH_BOXES = {"DetectionOutput", "YoloDetectionOutput", "Region", "Proposal"}

Option = Callable[[str], str]


def find_detector(
    model: keras.Model,
    *,
    threshold: float | None = None,
    overlap: float | None = None,
    anchors: Any = None,
    option: Option = str,
) -> Detector:
    """The detector that a network is.

    Args:
        model: the network.
        threshold: see `detect`.
        overlap: see `detect`.
        anchors: see `detect`.
        option: what messages call an argument.

    Raises:
        ValueError: it is none, or the options are not for it.
    """
    task = find_task(model)
    settings: dict[str, Any] = {"threshold": threshold, "overlap": overlap}
    if anchors is not None and _gives_maps(model):
        return _maps(model, anchors, settings, option)
    if task.kind not in ("boxes", "detections"):
        error = wrong_task("detections", task, model)
        raise ValueError(f"{error}; YOLO's maps need {option('anchors')}") from None
    structure = layers_of(model)
    if any(kind_of(call) == "Region" for call in calls_of(structure)):
        structure = keras_structure(model)  # whose layer is asked how its boxes lie
    found: list[Call] = list(calls_of(structure))
    made = {id(x): call for call in found for x in call.outputs}
    last = [made[id(x)] for x in structure.outputs]
    operation = last[0].operation
    if kind_of(last[0]) == "Region" and len(last) == 1:
        if anchors is None:
            raise ValueError(
                f"the Region layer does not hold its {operation.num} anchors; give "
                f"{option('anchors')}, width and height of each in positions of the map, as in the "
                "network's darknet .cfg"
            )
        pairs = _pairs(anchors, operation.num, option)
        return GridDetector(model, operation.classes, **settings, anchors=pairs, layer=operation)
    _refuse(
        model, {"anchors": anchors}, "is for networks that end in Region or in YOLO's maps", option
    )
    proposal = next((call for call in found if kind_of(call) == "Proposal"), None)
    if proposal is not None:
        heads = [x for x in structure.outputs if made[id(x)].operation is not proposal.operation]
        if len(heads) == 2:
            _require_layers(model)
            return _regions(model, (proposal.outputs[0], *heads), made, settings)
    _refuse(model, {"overlap": overlap}, "is set by the network's last layer", option)
    if all(kind_of(call) == "ClusterDetections" for call in last):
        return ClusterDetector(model, len(last), **settings)
    if gives_rows(model):
        count, background = _row_classes(last[0])
        return Detector(model, count, background, **settings)
    outputs = ", ".join(repr(call.operation.name) for call in last)
    raise ValueError(
        "detect takes networks that end in DetectionOutput, YoloDetectionOutput, ClusterDetections "
        "or Region, or whose outputs are the scores and the box deltas of Faster R-CNN's or "
        f"R-FCN's regions; YOLO's maps need {option('anchors')}; {task.why}. "
        f"Received: {model.name!r} with outputs {outputs}"
    )


def _require_layers(model: Any) -> None:
    """Refuse a network in an engine, which gives its outputs alone."""
    if structure_of(model) is not model:
        raise ValueError(
            "the regions of Faster R-CNN and R-FCN are read from within the network, and an "
            f"optimized one gives its outputs alone; detect takes the model. Received: {model!r}"
        )


def _gives_maps(model: keras.Model) -> bool:
    """Whether all that a network gives are maps, which no layer has made boxes of."""
    kinds = {kind_of(call) for call in calls_of(layers_of(model))}
    shapes = [tensor.shape for tensor in model.outputs]
    return all(len(x) == 4 for x in shapes) and kinds.isdisjoint(_WITH_BOXES)


def _maps(
    model: keras.Model, anchors: Any, settings: Mapping[str, Any], option: Option
) -> MapsDetector:
    """The detector of YOLO's maps."""
    maps = [tensor.shape[-1] for tensor in model.outputs]
    pairs = _pairs(anchors, np.size(anchors) // 2, option)
    each, rest = divmod(len(pairs), len(maps))
    count, part = divmod(maps[0] or 0, max(each, 1))
    if not each or rest or part or count < 6 or set(maps) != {maps[0]}:
        raise ValueError(
            f"{option('anchors')} must be as many for each map, whose channels are 5 and the "
            f"classes for each. Received: {len(pairs)} anchors, and {model.name!r} with maps of "
            f"{', '.join(map(str, maps))} channels"
        )
    return MapsDetector(model, count - 5, **settings, anchors=pairs)


def _regions(
    model: keras.Model,
    tensors: Sequence[Any],
    made: Mapping[int, Call],
    settings: Mapping[str, Any],
) -> RegionDetector:
    """The detector of regions, and two outputs: scores and deltas in some order."""
    regions, *heads = tensors
    scores, deltas = sorted(heads, key=lambda x: not scorer(made[id(x)], made)[1])
    count, numbers = (tuple(x.shape)[-1] for x in (scores, deltas))
    if not scorer(made[id(scores)], made)[1] or numbers not in (4, 8, 4 * (count or 0)):
        raise ValueError(
            "detect takes regions' scores, a softmax over C classes, and their box deltas, "
            f"4 * C, 8 or 4. Received: {model.name!r} with outputs of {count} and {numbers} values"
        )
    return RegionDetector(model, count, 0, **settings, tensors=(regions, scores, deltas))


def _row_classes(last: Call) -> tuple[int | None, int | None]:
    """How many classes a last layer tells apart, background included, and which that is."""
    operation, kind = last.operation, kind_of(last)
    if hasattr(operation, "outputs"):  # a model in the model
        inner = {id(x): call for call in calls_of(operation) for x in call.outputs}
        return _row_classes(inner[id(operation.outputs[0])])
    fields = getattr(operation, "params", operation)  # of Caffe's network, or a layer of Keras
    if kind == "DetectionOutput":
        background = fields.background_label_id
        return fields.num_classes, background if background >= 0 else None
    if kind == "YoloDetectionOutput":
        return fields.num_classes + 1, 0
    return None, None


def _pairs(anchors: Any, number: int, option: Option) -> tuple[tuple[float, float], ...]:
    flat = np.asarray(anchors, np.float64).reshape(-1)
    if len(flat) != 2 * number or not (flat > 0).all():
        raise ValueError(
            f"{option('anchors')} must be {2 * number} numbers above 0, a width and a height for "
            f"each of {number} boxes. Received: {flat.tolist()}"
        )
    return tuple((float(width), float(height)) for width, height in flat.reshape(-1, 2))


def _refuse(model: keras.Model, given: Mapping[str, Any], why: str, option: Option) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{option(name)} {why}. Received: {model.name!r}")
