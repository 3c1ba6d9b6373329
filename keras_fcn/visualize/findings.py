"""Pictures of what was found in an image: boxes with names and scores, parts and limbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from keras_fcn.preprocessing.images import as_uint8, match_channels
from keras_fcn.visualize.colours import voc_palette

__all__ = ["draw_boxes", "draw_keypoints"]

_LUMA = (0.299, 0.587, 0.114)
_COLOURS = 255


def draw_boxes(image: ArrayLike, found: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Draws boxes over an image, each with its name and score; the best lie on top.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        found: of `keras_fcn.detect`: dicts with `label`, `index`, `score` and `box`.

    Returns:
        uint8 RGB, the image's size.

    Raises:
        ValueError: an image of another shape.
    """
    picture, draw, font, line = _canvas(image)
    for each in reversed(list(found)):
        colour = _colour(each["index"])
        left, top, right, bottom = each["box"]
        if right < left or bottom < top or not np.isfinite(each["box"]).all():
            continue  # inside out, as networks without training give
        # Pillow refuses numbers far beyond a picture, where nothing is seen.
        left, right = np.clip([left, right], -line, picture.width + line)
        top, bottom = np.clip([top, bottom], -line, picture.height + line)
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        _draw_tag(draw, f"{each['label']} {each['score']:.2f}", (left, top), font, colour, picture)
    return np.asarray(picture)


def draw_keypoints(
    image: ArrayLike,
    found: Iterable[Mapping[str, Any]],
    limbs: Sequence[tuple[int, int]] = (),
) -> np.ndarray:
    """Draws parts over an image as dots, named where there is one of a kind.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        found: of `keras_fcn.keypoints`: dicts with `label`, `index`, `score`, `x`, `y`, and
            `person` where known.
        limbs: pairs of parts to join, where a person has one of each; where persons are not
            known, the picture.

    Returns:
        uint8 RGB, the image's size.

    Raises:
        ValueError: an image of another shape.
    """
    picture, draw, font, line = _canvas(image)
    everyone = list(found)
    groups: dict[Any, dict[int, list[Mapping[str, Any]]]] = {}
    for each in everyone:
        groups.setdefault(each.get("person"), {}).setdefault(each["index"], []).append(each)
    for parts in groups.values():
        for first, second in limbs:
            ends = [*parts.get(first, ()), *parts.get(second, ())]
            if len(ends) == 2 and ends[0]["index"] != ends[1]["index"]:
                draw.line([(x["x"], x["y"]) for x in ends], fill=_colour(second), width=line)
    radius = 1.5 * line
    for each in everyone:
        x, y = each["x"], each["y"]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(each["index"]))
        if sum(other["index"] == each["index"] for other in everyone) == 1:
            place = (x + 2 * radius, y)
            draw.text(
                place, each["label"], "white", font, "lm", stroke_width=1, stroke_fill="black"
            )
    return np.asarray(picture)


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _canvas(image: ArrayLike) -> tuple[Image.Image, ImageDraw.ImageDraw, _Font, int]:
    """A copy of an image to draw on, a font and a width of lines that suit its size."""
    pixels = match_channels(as_uint8(image), 3)
    if pixels.ndim != 3:
        raise ValueError(f"a picture is (H, W, 3) or (H, W). Received: shape {pixels.shape}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    side = min(picture.size)
    font = ImageFont.load_default(min(max(side // 24, 11), 28))
    return picture, ImageDraw.Draw(picture), font, max(1, side // 160)


def _draw_tag(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[float, float],
    font: _Font,
    colour: tuple[int, ...],
    picture: Image.Image,
) -> None:
    """A text on its colour, above a box's corner or, where there is no room, inside the box."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(corner[0], 0), max(picture.width - width, 0))
    y = corner[1] - height if corner[1] >= height else max(corner[1], 0)
    y = min(y, picture.height - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    ink = "black" if np.dot(colour, _LUMA) > 110 else "white"
    draw.text((x + 2 - left, y + 2 - top), text, ink, font)


def _colour(index: int) -> tuple[int, ...]:
    """A colour of VOC's palette, brighter: not the first, which is black."""
    colour = voc_palette(_COLOURS + 1)[index % _COLOURS + 1].astype(int)
    return tuple(int(x) for x in 64 + colour * 3 // 4)
