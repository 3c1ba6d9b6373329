"""From images to the boxes that a detector finds in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.decoding import decode_detections
from keras_fcn.inference.detectors import Detector, RegionDetector, Sizes
from keras_fcn.inference.grids import MapsDetector
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.known_detectors import find_detector
from keras_fcn.inference.prediction import model_preprocessing, sized
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.labels import told_names

if TYPE_CHECKING:
    import keras

__all__ = ["detect", "detecting"]

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
    Yolov3DetectionOutput, in DetectNet's ClusterDetections, in YOLO v2's Region or, with
    `anchors`, in the maps of YOLO v2 or v3, and Faster R-CNN and R-FCN, whose boxes are decoded
    and suppressed as their authors' test does.

    Args:
        model: the network.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels), RGB, uint8 0..255 or floats 0..1; or a batch of these, a list,
            a generator.
        threshold: least score of a box; None for what the network reports, 0.05 for Faster
            R-CNN and R-FCN, 0.5 for Region and maps, their authors' numbers.
        overlap: overlap (intersection over union) of a class's boxes above which the worse
            one is dropped, by default 0.3 for Faster R-CNN and R-FCN, 0.45 for Region and maps;
            other networks have layers that do so.
        anchors: for a network that ends in Region or in maps, width and height of each box of a
            position: the `anchors` of its darknet file, flat or in pairs; of one map they count
            in positions, of several in pixels of the input.
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
    own = isinstance(detector, RegionDetector | MapsDetector) and size == "model"
    preprocessing = sized(preprocessing, model, size)
    free = own and not (preprocessing.size or preprocessing.crop)

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
