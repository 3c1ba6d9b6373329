"""From images to the parts of bodies, hands or faces in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.parts import BODIES
from keras_fcn.inference.persons import persons_of
from keras_fcn.inference.prediction import forward, model_preprocessing, require_numbers, sized
from keras_fcn.inference.score_maps import ScoreMap, map_scores
from keras_fcn.inference.tasks import find_task, wrong_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.labels import told_names

__all__ = ["finding_keypoints", "keypoints", "peaks"]


def keypoints(
    model: keras.Model,
    images: Any,
    *,
    threshold: float = 0.1,
    parts: Sequence[str] | str | None = None,
    preprocessing: Preprocessing | None = None,
    size: tuple[int, int] | str | None = "model",
    skip_bad: bool = False,
) -> list[Any]:
    """Peaks of the heat maps of a pose network, as places in the image.

    Between the positions of a map a peak is found by a parabola through its neighbours. Of
    OpenPose's bodies the peaks are joined to persons along their limbs, see
    `keras_fcn.inference.persons`.

    Args:
        model: a network that gives a heat map for each part, such as OpenPose's.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels), RGB, uint8 0..255 or floats 0..1; or a batch of these, a list,
            a generator.
        threshold: least score of a peak.
        parts: names of the first maps' parts, other maps are left out, or where
            `keras_fcn.preprocessing.labels.read_labels` finds them; None for those of the
            published networks (bodies of 15, 18 and 25 parts, hands and faces), told by how
            many maps there are, else for all maps, by numbers.
        preprocessing: how images are prepared; None for the model's own.
        size: as for `keras_fcn.predict`.
        skip_bad: None stands in the place of a picture of several that cannot be read, and a
            warning names it.

    Returns:
        For one image a list of dicts `{"label", "index", "score", "x", "y"}`, part by part, the
        best peak of a part first; x and y count pixels of the image, whose first centre is at 0.
        Of OpenPose's bodies each has `"person"` too, a number from 0 on, or None. For several
        images a list of such lists, in their order.

    Raises:
        ValueError: the model gives no maps, or fewer than there are names, or an image cannot be
            read or does not fit.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    job = finding_keypoints(model, preprocessing, size, threshold, parts)
    return list(answers(job, images, skip_bad))


def finding_keypoints(
    model: keras.Model,
    preprocessing: Preprocessing,
    size: tuple[int, int] | str | None = "model",
    threshold: float = 0.1,
    parts: Sequence[str] | str | None = None,
    *,
    option: Callable[[str], str] = str,
) -> Job:
    """The job of `keypoints`."""
    task = find_task(model)
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    maps = task.kind in ("keypoints", "map", "other") and [len(x) for x in shapes] == [4]
    if not maps:
        raise wrong_task("keypoints", task, model)
    channels, parts = shapes[0][-1], told_names(parts)
    if parts is not None and channels is not None and not 0 < len(parts) <= channels:
        raise ValueError(
            f"{option('parts')} must name 1 to {channels} of the maps that {model.name!r} gives. "
            f"Received: {len(parts)} names"
        )
    preprocessing = sized(preprocessing, model, size)

    def answer(given: ScoreMap, pixels: np.ndarray) -> list[dict[str, Any]]:
        maps = given.cut()
        require_numbers(model, maps)
        body = None if parts is not None else BODIES.get(maps.shape[-1])
        names = _names(maps.shape[-1], parts) if body is None else body.parts
        found = [peaks(maps[..., index], threshold) for index in range(len(names))]
        joined = body is not None and len(body.parts) + 1 < maps.shape[-1]
        persons = persons_of(found, maps, body.limbs) if body is not None and joined else None
        places = given.places(pixels.shape[:2], preprocessing)
        records = [
            {"label": name, "index": index, "score": score, "x": x, "y": y}
            for index, (name, each) in enumerate(zip(names, found, strict=True))
            for score, y, x in _placed(each, places)
        ]
        if persons is not None:
            numbers = (number for each in persons for number in each)
            records = [x | {"person": y} for x, y in zip(records, numbers, strict=True)]
        return records

    def infer_many(prepared: np.ndarray) -> list[ScoreMap]:
        return map_scores(model, lambda batch: forward(model, batch), prepared)

    def infer(prepared: np.ndarray) -> ScoreMap:
        (given,) = infer_many(prepared[np.newaxis])
        return given

    return Job(preprocessing.channels, preprocessing, infer, answer, infer_many)


def peaks(heat: np.ndarray, threshold: float) -> np.ndarray:
    """Places of a map (rows, columns) that are higher than all eight around them, best first.

    Returns:
        (peaks, 3): score, row and column, between the positions by a parabola along each axis.
    """
    around = np.pad(heat.astype(np.float64), 1, constant_values=-np.inf)
    height, width = heat.shape
    highest = heat >= threshold
    for index in (0, 1, 2, 3, 5, 6, 7, 8):
        row, column = divmod(index, 3)
        other = around[row : row + height, column : column + width]
        highest &= (heat > other) if index < 4 else (heat >= other)  # of equal ones the first
    rows, columns = np.nonzero(highest)
    scores = around[rows + 1, columns + 1]
    down = _vertex(around[rows, columns + 1], scores, around[rows + 2, columns + 1])
    across = _vertex(around[rows + 1, columns], scores, around[rows + 1, columns + 2])
    found = np.stack([scores, rows + down, columns + across], axis=1)
    return np.asarray(found[np.argsort(-scores, kind="stable")])


def _vertex(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where a parabola through three neighbours is highest, -0.5 to 0.5; 0 at a border."""
    inside = np.isfinite(before) & np.isfinite(after)
    before, after = np.where(inside, before, 0), np.where(inside, after, 0)
    bend = np.where(inside, 2 * at - before - after, 0)
    return np.where(bend > 0, (after - before) / np.where(bend > 0, 2 * bend, 1), 0)


def _placed(found: np.ndarray, places: Sequence[np.ndarray]) -> list[list[float]]:
    """Peaks with rows and columns of the image, whose pixels are at `places` of the map."""
    found = found.copy()
    for axis, pixels in enumerate(places, 1):
        last = len(pixels) - 1
        step = (pixels[-1] - pixels[0]) / last if last else 1.0
        found[:, axis] = np.clip((found[:, axis] - pixels[0]) / step, 0, last)
    listed: list[list[float]] = found.tolist()
    return listed


def _names(channels: int, parts: Sequence[str] | None) -> Sequence[str]:
    return [f"part {index}" for index in range(channels)] if parts is None else parts
