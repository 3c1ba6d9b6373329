"""Blobs that are lists of detections, of which entries may be lost or swapped."""

from __future__ import annotations

from dataclasses import replace

from keras_fcn.engines.differences import difference, paired
from keras_fcn.verifying.numbers import told
from keras_fcn.verifying.report import Array, BlobResult

DETECTIONS = frozenset(
    {"DetectionOutput", "DetectionOutputExtended", "YoloDetectionOutput", "Yolov3DetectionOutput"}
)
"""Types whose tops are such lists."""
_OTHER = 0.05
"""The share of detections that may be in one of the lists alone."""
_ALONE = "detections that one list has alone"


def of_detections(result: BlobResult, ours: Array, theirs: Array) -> BlobResult:
    """The verdict on two lists: the same, ties between some of them, or others.

    The numbers are those of the detections that both have; where there are none, they are as
    far apart as can be.
    """
    share, one, other = paired(ours, theirs)
    found = difference(one, other)
    verdict = "same" if not share else "ties" if share <= _OTHER else "differs"
    none = share == 1
    return replace(
        result,
        largest=float("inf") if none else found.largest,
        rms=float("inf") if none else found.rms,
        cosine=0.0 if none else found.cosine,
        within=1 - share,
        verdict=verdict,
        ties=share if verdict == "ties" else 0.0,
        nan=found.nan / max(theirs.size, 1),
        note=_ALONE if share else told(one, other, found) if one.size else "",
    )
