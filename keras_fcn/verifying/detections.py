"""Blobs that are lists of detections, of which entries may be lost or swapped."""

from __future__ import annotations

from dataclasses import replace

from keras_fcn.engines.differences import detections_apart
from keras_fcn.verifying.report import Array, BlobResult

DETECTIONS = frozenset(
    {"DetectionOutput", "DetectionOutputExtended", "YoloDetectionOutput", "Yolov3DetectionOutput"}
)
"""Types whose tops are such lists."""
_OTHER = 0.05
"""The share of detections that may be in one of the lists alone."""


def of_detections(result: BlobResult, ours: Array, theirs: Array) -> BlobResult:
    """The verdict on two lists: the same, ties between some of them, or others."""
    share = detections_apart(ours, theirs)
    verdict = "same" if not share else "ties" if share <= _OTHER else "differs"
    return replace(
        result,
        within=1 - share,
        verdict=verdict,
        ties=share if verdict == "ties" else 0.0,
        note="detections that one list has alone" if share else "",
    )
