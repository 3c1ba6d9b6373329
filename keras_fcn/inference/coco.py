"""Label maps as run lengths, as COCO's tools read them.

A mask is the lengths of its runs down the columns, one column after the other, of zeros and ones
in turn, zeros first. As text each length is a number in groups of five bits, of which those from
the fourth length on are differences to the one two before.

Source: `rleEncode` and `rleToString` of `common/maskApi.c` in github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["compressed", "label_masks", "run_lengths"]


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of a mask (H, W), zeros first."""
    flat = np.asarray(mask, bool).ravel(order="F")
    starts = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *starts, flat.size]).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def compressed(lengths: Iterable[int]) -> str:
    """Run lengths as text."""
    before: list[int] = []
    text = []
    for length in lengths:
        rest = length - before[-2] if len(before) > 2 else length
        before.append(length)
        more = True
        while more:
            bits, rest = rest & 0x1F, rest >> 5
            more = rest != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(text)


def label_masks(labels: np.ndarray) -> dict[int, dict[str, Any]]:
    """The mask of each label of a map (H, W), as a COCO annotation has it.

    Returns:
        Label -> `segmentation` (`size` and `counts`), `area` in pixels, and `bbox`: left, top,
        width and height.
    """
    masks = {}
    for label in np.unique(labels).tolist():
        mask = labels == label
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        masks[label] = {
            "segmentation": {
                "size": list(labels.shape),
                "counts": compressed(run_lengths(mask)),
            },
            "area": int(np.count_nonzero(mask)),
            "bbox": [
                int(columns[0]),
                int(rows[0]),
                int(np.ptp(columns)) + 1,
                int(np.ptp(rows)) + 1,
            ],
        }
    return masks
