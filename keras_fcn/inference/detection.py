"""From images to the boxes that a detector finds in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.graph.calls import Call, calls
from keras_fcn.inference.decoding import decode_detections
from keras_fcn.inference.detectors import (
    ClusterDetector,
    Detector,
    GridDetector,
    RegionDetector,
    Sizes,
)
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.prediction import model_preprocessing, sized
from keras_fcn.inference.tasks import find_task, gives_rows, scorer, wrong_task
from keras_fcn.layers import (
    ClusterDetections,
    DetectionOutput,
    Proposal,
    Region,
    YoloDetectionOutput,
)
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.labels import told_names

__all__ = ["detect", "detecting", "find_detector"]

Option = Callable[[str], str]


def detect(
    model: keras.Model,
    images: Any,
    *,
    threshold: float | None = None,
    overlap: float | None = None,
    anchors: Any = None,
    classes: Sequence[str] | str | None = None,
    preprocessing: Preprocessing | None = None,
    size: tuple[int, int] | str | None = "model",
    skip_bad: bool = False,
) -> list[Any]:
    """Boxes that a detector finds in images.

    Detectors are networks that end in SSD's DetectionOutput, in YoloDetectionOutput or
    Yolov3DetectionOutput, in DetectNet's ClusterDetections or in YOLO v2's Region, and Faster
    R-CNN and R-FCN, whose boxes are decoded and suppressed as their authors' test does.

    Args:
        model: the network.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels), RGB, uint8 0..255 or floats 0..1; or a batch of these, a list,
            a generator.
        threshold: least score of a box; None for what the network reports, 0.05 for Faster
            R-CNN and R-FCN, 0.5 for Region, their authors' numbers.
        overlap: overlap (intersection over union) of a class's boxes above which the worse
            one is dropped, by default 0.3 for Faster R-CNN and R-FCN, 0.45 for Region; other
            networks have layers that do so.
        anchors: for a network that ends in Region, width and height of each box of a position,
            in positions: the `anchors` of its darknet file, flat or in pairs.
        classes: a name for each class, with the background or without it, or where
            `keras_fcn.preprocessing.labels.read_labels` finds them, such as SSD's label map; None
            for the card's.
        preprocessing: how images are prepared; None for the model's own.
        size: (height, width) that images are resized to; None keeps their own. `"model"`: the
            size or crop of the preprocessing, else the one that the prototxt declares; for
            Faster R-CNN and R-FCN a short side of 600 pixels, but at most 1000 for the long one.
        skip_bad: None stands in the place of a picture of several that cannot be read, and a
            warning names it.

    Returns:
        For one image a list of dicts `{"label", "index", "score", "box"}`, best first; `box` is
        [left, top, right, bottom] in pixels of the image. For several a list of such lists, in
        their order.

    Raises:
        ValueError: the model finds no boxes, or has them in another form; or an image cannot
            be read or does not fit.

    Example:
        ```python
        model = keras_fcn.load("deploy.prototxt", "face.caffemodel")
        faces = keras_fcn.detect(model, "group.jpg", threshold=0.5)
        ```
    """
    preprocessing = preprocessing or model_preprocessing(model)
    options = {"threshold": threshold, "overlap": overlap, "anchors": anchors, "classes": classes}
    return list(answers(detecting(model, preprocessing, size, **options), images, skip_bad))


def detecting(
    model: keras.Model,
    preprocessing: Preprocessing,
    size: tuple[int, int] | str | None = "model",
    *,
    classes: Sequence[str] | str | None = None,
    option: Option = str,
    **options: Any,
) -> Job:
    """The job of `detect`."""
    detector = find_detector(model, option=option, **options)
    names = _names(detector, classes, option)
    regions = isinstance(detector, RegionDetector) and size == "model"
    preprocessing = sized(preprocessing, model, size)
    free = regions and not (preprocessing.size or preprocessing.crop)

    def prepare(pixels: np.ndarray) -> tuple[np.ndarray, Sizes]:
        used = detector.sized(preprocessing, pixels) if free else preprocessing
        return used(pixels), Sizes.of(pixels, used)

    def infer(prepared: tuple[np.ndarray, Sizes]) -> np.ndarray:
        return detector.rows(detector.infer(*prepared), prepared[1])

    def answer(rows: np.ndarray, pixels: np.ndarray) -> list[dict[str, Any]]:
        found = decode_detections(rows, pixels.shape[:2], names, option=option)
        return [
            {"label": name, "index": index, "score": score, "box": box}
            for index, name, score, *box in found
        ]

    return Job(preprocessing.channels, prepare, infer, answer)


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
    if task.kind not in ("boxes", "detections"):
        raise wrong_task("detections", task, model)
    settings: dict[str, Any] = {"threshold": threshold, "overlap": overlap}
    found: list[Call] = list(calls(model))
    made = {id(x): call for call in found for x in call.outputs}
    last = [made[id(x)] for x in model.outputs]
    operation = last[0].operation
    if isinstance(operation, Region) and len(last) == 1:
        pairs = _pairs(anchors, operation.num, option)
        return GridDetector(model, operation.classes, **settings, layer=operation, anchors=pairs)
    _refuse(model, {"anchors": anchors}, "is for networks that end in Region", option)
    proposal = next((call for call in found if isinstance(call.operation, Proposal)), None)
    if proposal is not None:
        heads = [x for x in model.outputs if made[id(x)].operation is not proposal.operation]
        if len(heads) == 2:
            return _regions(model, (proposal.outputs[0], *heads), made, settings)
    _refuse(model, {"overlap": overlap}, "is set by the network's last layer", option)
    if all(isinstance(call.operation, ClusterDetections) for call in last):
        return ClusterDetector(model, len(last), **settings)
    if gives_rows(model):
        count, background = _row_classes(operation)
        return Detector(model, count, background, **settings)
    outputs = ", ".join(repr(call.operation.name) for call in last)
    raise ValueError(
        "detect takes networks that end in DetectionOutput, YoloDetectionOutput, ClusterDetections "
        "or Region, or whose outputs are the scores and the box deltas of Faster R-CNN's or "
        f"R-FCN's regions; {task.why}. Received: {model.name!r} with outputs {outputs}"
    )


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


def _row_classes(operation: Any) -> tuple[int | None, int | None]:
    """How many classes a last layer tells apart, background included, and which that is."""
    if isinstance(operation, keras.Model):
        inner = {id(x): call for call in calls(operation) for x in call.outputs}
        return _row_classes(inner[id(operation.outputs[0])].operation)
    if isinstance(operation, DetectionOutput):
        background = operation.background_label_id
        return operation.num_classes, background if background >= 0 else None
    if isinstance(operation, YoloDetectionOutput):
        return operation.num_classes + 1, 0
    return None, None


def _names(
    detector: Detector, classes: Sequence[str] | str | None, option: Option
) -> tuple[str, ...] | None:
    """A name for each class, the background's among them; None for numbers."""
    count, background = detector.count, detector.background
    own = card_of(detector.model).classes
    classes = told_names(classes)
    lengths = () if count is None else (count,) if background is None else (count - 1, count)
    if classes is None and own is not None and (count is None or len(own) in lengths):
        classes = own.names
    if classes is None or count is None:
        return None if classes is None else tuple(classes)
    names = list(classes)
    if len(names) not in lengths:
        one = " or ".join(map(str, lengths))
        raise ValueError(
            f"{option('classes')} must name each of the "
            f"network's classes, {one}. Received: {len(names)} names"
        )
    if len(names) < count and background is not None:
        names.insert(background, "background")
    return tuple(names)


def _pairs(anchors: Any, number: int, option: Option) -> tuple[tuple[float, float], ...]:
    if anchors is None:
        raise ValueError(
            f"the Region layer does not hold its {number} anchors; give {option('anchors')}, width "
            "and height of each in positions of the map, as in the network's darknet .cfg"
        )
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
