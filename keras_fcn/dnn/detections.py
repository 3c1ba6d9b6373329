"""Detections in OpenCV's order and number of rows, where Caffe's are others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def as_in_opencv(rows: Array, images: int, keep_top_k: int) -> Array:
    """Caffe's detections as `cv2.dnn` gives them.

    Caffe lists an image's detections class by class, and a row of -1 where there is none. OpenCV
    lists them by score, with rows of zeros behind those of all images.

    Args:
        rows: (1, 1, N, 7): image, label, score, and a box.
        images: the batch.
        keep_top_k: of the layer; -1: no rows of zeros.
    """
    found = rows.reshape(-1, 7)
    found = found[found[:, 1] >= 0]
    found = found[np.lexsort((-found[:, 2], found[:, 0]))]
    empty = max(images * keep_top_k - len(found), 0)
    return np.concatenate([found, np.zeros((empty, 7), found.dtype)])[None, None]
