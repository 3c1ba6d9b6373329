"""Find faces and five points of each with MTCNN, a cascade of three networks.

    python examples/mtcnn.py group.jpg --models MTCNNv1/model -o faces.png

The folder holds the published det1, det2 and det3, each a .prototxt and a .caffemodel. The first
network scores every position of the picture in many sizes, the second and the third look again at
what is left. Which steps there are follows the authors' Matlab code, where pixels count from 1 and
both corners of a box are inside; pictures lie on their side, as Matlab hands its columns to Caffe.

Sources: Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", 2016; `code/codes/MTCNNv1` in
github.com/kpzhang93/MTCNN_face_detection_alignment.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_fcn
from keras_fcn.preprocessing import load_image
from keras_fcn.visualize import draw_boxes, draw_keypoints, save_png

import numpy as np
from PIL import Image

STRIDE, CELL = 2, 12
POINTS = ("left eye", "right eye", "nose", "left mouth", "right mouth")
MIRRORED = [1, 0, 2, 4, 3]


def load(folder: str) -> list[keras_fcn.core.model.CaffeFunctional]:
    """The three networks.

    Raises:
        FileNotFoundError: one of their files is not there.
    """
    names = [f"det{number}.{kind}" for number in (1, 2, 3) for kind in ("prototxt", "caffemodel")]
    missing = [name for name in names if not Path(folder, name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} must hold {', '.join(names)}; missing: {missing}")
    pairs = zip(names[::2], names[1::2], strict=True)
    return [keras_fcn.from_caffe(*(Path(folder, name) for name in pair)) for pair in pairs]


def scales(height: int, width: int, least: float, factor: float) -> list[float]:
    """Factors of the picture's size at which a face of `least` pixels, and larger ones, fill 12."""
    side, scale, found = min(height, width) * CELL / least, CELL / least, []
    while side >= CELL:
        found.append(scale)
        side, scale = side * factor, scale * factor
    return found


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels of another size as a network takes them: -1..1, (3, width, height)."""
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return (np.asarray(small, np.float32).T - 127.5) / 128


def boxes_of_map(scores: np.ndarray, moves: np.ndarray, scale: float, least: float) -> np.ndarray:
    """Boxes (n, 9) of the first network: corners, score and moves.

    Args:
        scores: (columns, rows) of faces.
        moves: (4, columns, rows): of left, top, right, bottom, as shares of a box's sides.
        scale: of the picture.
        least: lowest score.
    """
    places = np.argwhere(scores >= least)
    first = np.trunc((STRIDE * places + 1) / scale)
    last = np.trunc((STRIDE * places + CELL) / scale)
    at = tuple(places.T)
    return np.column_stack([first, last, scores[at], moves[:, at[0], at[1]].T])


def kept(boxes: np.ndarray, overlap: float, smaller: bool = False) -> np.ndarray:
    """Indices of boxes that no better one overlaps: by their union, or by the smaller of both."""
    left, top, right, bottom, scores = boxes[:, :5].T
    areas = (right - left + 1) * (bottom - top + 1)
    order, found = np.argsort(scores, kind="stable")[::-1], []
    while len(order):
        best, order = order[0], order[1:]
        found.append(best)
        wide = np.minimum(right[best], right[order]) - np.maximum(left[best], left[order]) + 1
        high = np.minimum(bottom[best], bottom[order]) - np.maximum(top[best], top[order]) + 1
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        if smaller:
            whole = np.minimum(areas[best], areas[order])
        else:
            whole = areas[best] + areas[order] - shared
        order = order[shared / whole <= overlap]
    return np.array(found, int)


def moved(boxes: np.ndarray, moves: np.ndarray, more: int = 1) -> np.ndarray:
    """Boxes whose corners move by shares of their sides; a side counts `more` pixels."""
    sides = np.tile(boxes[:, 2:4] - boxes[:, :2] + more, 2)
    return np.column_stack([boxes[:, :4] + moves * sides, boxes[:, 4]])


def square(boxes: np.ndarray) -> np.ndarray:
    """Boxes as squares of the longer side about the same middle, in whole pixels."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    first = boxes[:, :2] + (sides - longer) / 2
    return np.column_stack([np.trunc(first), np.trunc(first + longer), boxes[:, 4]])


def cut(pixels: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """What boxes show, black beyond the picture, as a network takes it: (n, 3, side, side)."""
    height, width = pixels.shape[:2]
    parts = []
    for left, top, right, bottom in boxes[:, :4].astype(int):
        part = np.zeros((bottom - top + 1, right - left + 1, 3), np.uint8)
        rows = slice(max(top, 1) - 1, min(bottom, height))
        columns = slice(max(left, 1) - 1, min(right, width))
        seen = pixels[rows, columns]
        down, across = rows.start + 1 - top, columns.start + 1 - left
        part[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
        parts.append(resized(part, side, side))
    return np.stack(parts)


def faces(
    networks: Sequence[Any],
    pixels: np.ndarray,
    *,
    least: float = 20,
    thresholds: Sequence[float] = (0.6, 0.7, 0.7),
    factor: float = 0.709,
) -> list[dict[str, Any]]:
    """The faces of a picture.

    Args:
        networks: of `load`.
        pixels: uint8 RGB, (H, W, 3).
        least: side of the smallest face, pixels.
        thresholds: lowest score for each network.
        factor: from one size of the picture to the next.

    Returns:
        For each face, best first, `{"label", "index", "score", "box", "points"}`: left, top,
        right and bottom, and x and y of five points, in pixels whose first is 0.
    """
    height, width = pixels.shape[:2]
    found = [np.zeros((0, 9))]
    for scale in scales(height, width, least, factor):
        small = resized(pixels, int(np.ceil(width * scale)), int(np.ceil(height * scale)))
        out = keras_fcn.blobs(networks[0], small[np.newaxis])
        boxes = boxes_of_map(out["prob1"][0, 1], out["conv4-2"][0], scale, thresholds[0])
        found.append(boxes[kept(boxes, 0.5)])
    boxes = np.concatenate(found)
    boxes = boxes[kept(boxes, 0.7)]
    boxes = square(moved(boxes, boxes[:, 5:], more=0))
    if not len(boxes):
        return []

    out = keras_fcn.blobs(networks[1], cut(pixels, boxes, 24))
    scores = out["prob1"][:, 1]
    good = np.flatnonzero(scores > thresholds[1])
    boxes, moves = np.column_stack([boxes[good, :4], scores[good]]), out["conv5-2"][good]
    best = kept(boxes, 0.7)
    boxes = square(moved(boxes[best], moves[best]))
    if not len(boxes):
        return []

    seen = cut(pixels, boxes, 48)
    out = keras_fcn.blobs(networks[2], seen)
    scores = out["prob1"][:, 1]
    good = np.flatnonzero(scores > thresholds[2])
    squares = np.column_stack([boxes[good, :4], scores[good]])
    boxes = moved(squares, out["conv6-2"][good])
    best = kept(boxes, 0.7, smaller=True)
    if not len(best):
        return []
    points = out["conv6-3"][good[best]].reshape(-1, 2, 5)
    other = keras_fcn.blobs(networks[2], seen[good[best], :, ::-1])["conv6-3"].reshape(-1, 2, 5)
    other = other[:, :, MIRRORED]
    other[:, 0] = 1 - other[:, 0]
    sides = squares[best, 2:4] - squares[best, :2] + 1
    points = (points + other) / 2 * sides[..., np.newaxis] + squares[best, :2, np.newaxis] - 1
    return [
        {
            "label": "face",
            "index": 0,
            "score": float(box[4]),
            "box": (box[:4] - 1).tolist(),
            "points": (five.T - 1).tolist(),
        }
        for box, five in zip(boxes[best], points, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Print the faces of a picture, and draw them."""
    parser = argparse.ArgumentParser(description="Find faces with MTCNN.")
    parser.add_argument("image")
    parser.add_argument("--models", required=True, metavar="DIR", help="of det1 to det3")
    parser.add_argument("--least", type=float, default=20, help="side of the smallest face")
    parser.add_argument("--thresholds", type=float, nargs=3, default=(0.6, 0.7, 0.7))
    parser.add_argument("-o", "--output", metavar="PNG", help="draw them")
    options = parser.parse_args(arguments)

    pixels = load_image(options.image)
    found = faces(load(options.models), pixels, least=options.least, thresholds=options.thresholds)
    for face in found:
        left, top, right, bottom = face["box"]
        columns, rows = f"columns {left:.0f} to {right:.0f}", f"rows {top:.0f} to {bottom:.0f}"
        print(f"{face['score']:.4f}  {columns}, {rows}")
    if options.output:
        parts = [
            {"label": label, "index": index, "score": face["score"], "x": x, "y": y}
            for face in found
            for index, (label, (x, y)) in enumerate(zip(POINTS, face["points"], strict=True))
        ]
        save_png(options.output, draw_keypoints(draw_boxes(pixels, found), parts))
    return found


if __name__ == "__main__":
    main()
