"""Names of the parts that published pose networks have a heat map for, and limbs between them.

Source: `src/openpose/pose/poseParameters.cpp` of
github.com/CMU-Perceptual-Computing-Lab/openpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["BODIES", "Body", "Limb"]

_ARMS = "RShoulder RElbow RWrist LShoulder LElbow LWrist"
_LEGS = "RHip RKnee RAnkle LHip LKnee LAnkle"
_FEET = "LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")


class Limb(NamedTuple):
    """A limb between two parts.

    Attributes:
        start: index of a part.
        end: index of the other one.
        field: index of the map with the x of a vector from start to end along the limb; that of
            the y follows. -1 where the network gives none.
        drawn: whether pictures show it: from shoulder to ear it only helps to tell persons apart.
    """

    start: int
    end: int
    field: int = -1
    drawn: bool = True


class Body(NamedTuple):
    """Parts of a body, a hand or a face.

    Attributes:
        parts: their names, in the order of the heat maps.
        limbs: those between them.
    """

    parts: tuple[str, ...]
    limbs: tuple[Limb, ...] = ()


def _body(parts: str, limbs: str, fields: Sequence[int], hidden: str = "") -> Body:
    """A body of names, and of limbs such as `"1-2"`."""
    found = []
    for text, field in zip(limbs.split(), fields, strict=True):
        start, end = map(int, text.split("-"))
        found.append(Limb(start, end, field, text not in hidden.split()))
    return Body((*parts.split(),), tuple(found))


_COCO = _body(
    f"Nose Neck {_ARMS} {_LEGS} REye LEye REar LEar",
    "1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17 2-16 5-17",
    (31, 39, 33, 35, 41, 43, 19, 21, 23, 25, 27, 29, 47, 49, 53, 51, 55, 37, 45),
    "2-16 5-17",
)
_MPI = _body(
    f"Head Neck {_ARMS} {_LEGS} Chest",
    "0-1 1-2 2-3 3-4 1-5 5-6 6-7 1-14 14-8 8-9 9-10 14-11 11-12 12-13",
    range(16, 44, 2),
)
_FIELDS_25 = "26 40 48 42 44 50 52 32 28 30 34 36 38 56 58 62 60 64 46 54 66 68 70 72 74 76"
_BODY_25 = _body(
    f"Nose Neck {_ARMS} MidHip {_LEGS} REye LEye REar LEar {_FEET}",
    "1-8 1-2 1-5 2-3 3-4 5-6 6-7 8-9 9-10 10-11 8-12 12-13 13-14 1-0 0-15 15-17 0-16 16-18 2-17 "
    "5-18 14-19 19-20 14-21 11-22 22-23 11-24",
    [*map(int, _FIELDS_25.split())],
    "2-17 5-18",
)
_HAND = Body(
    ("Wrist", *(f"{finger}{joint}" for finger in _FINGERS for joint in (1, 2, 3, 4))),
    tuple(Limb(end - 1 if end % 4 != 1 else 0, end) for end in range(1, 21)),
)
_FACE = Body(tuple(f"Face{index}" for index in range(70)))

BODIES: Mapping[int, Body] = {44: _MPI, 57: _COCO, 78: _BODY_25, 22: _HAND, 71: _FACE}
"""Channels of the networks' outputs -> whose parts they show.

The channel behind the parts is the background; that of bodies is followed by two for each limb.
"""
