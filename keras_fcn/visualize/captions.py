"""Pictures with text in them: legends and captioned class maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from keras_fcn.inference.decoding import decode_predictions
from keras_fcn.preprocessing.images import as_uint8, match_channels
from keras_fcn.preprocessing.resampling import resize
from keras_fcn.visualize.colours import heat_map, voc_palette
from keras_fcn.visualize.overlays import overlay

_INK, _PAPER = (32, 32, 32), (255, 255, 255)


def legend(
    names: Sequence[str], palette: ArrayLike | None = None, *, font_size: int = 16
) -> np.ndarray:
    """A column of colours with their names.

    Args:
        names: one a class.
        palette: 0..255, `(at least as many, 3)`; that of PASCAL VOC by default.
        font_size: height of the text, pixels.

    Returns:
        uint8, `(H, W, 3)`, black on white.

    Raises:
        ValueError: no names, or fewer colours than names.
    """
    colours = voc_palette(len(names)) if palette is None else as_uint8(palette)
    if not names or len(colours) < len(names):
        raise ValueError(
            f"A legend takes one or more names and a colour for each. "
            f"Received: {len(names)} names, {len(colours)} colours"
        )
    font = ImageFont.load_default(font_size)
    line, margin = round(1.6 * font_size), font_size // 2
    swatch = 2 * font_size
    width = 3 * margin + swatch + round(max(font.getlength(name) for name in names))
    picture = Image.new("RGB", (width, 2 * margin + line * len(names)), _PAPER)
    draw = ImageDraw.Draw(picture)
    for index, (name, colour) in enumerate(zip(names, colours, strict=False)):
        middle = margin + line * index + line // 2
        top, bottom = middle - font_size // 2, middle + font_size // 2
        box = (margin, top, margin + swatch, bottom)
        draw.rectangle(box, fill=tuple(colour.tolist()), outline=_INK)
        draw.text((2 * margin + swatch, middle), name, _INK, font, anchor="lm")
    return np.asarray(picture)


def titled(picture: ArrayLike, title: str, *, font_size: int | None = None) -> np.ndarray:
    """A picture under a line of text; a narrow one gets white at its right.

    Args:
        picture: `(H, W, 3)`, 0..255 or floats 0..1.
        title: the text.
        font_size: height of the text, pixels; by default by the picture's width.

    Returns:
        uint8 RGB.
    """
    pixels = as_uint8(picture)
    height, width = pixels.shape[:2]
    size = min(max(width // 24, 14), 28) if font_size is None else font_size
    font = ImageFont.load_default(size)
    line = round(1.6 * size)
    wide = max(width, round(font.getlength(title)) + size // 2)
    whole = Image.new("RGB", (wide, height + line), _PAPER)
    whole.paste(Image.fromarray(pixels), (0, line))
    ImageDraw.Draw(whole).text((0, line // 2), title, _INK, font, anchor="lm")
    return np.asarray(whole)


def class_map_picture(
    image: ArrayLike,
    scores: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    alpha: float = 0.5,
    size: tuple[int, int] | None = None,
    stride: float | tuple[float, float] | None = None,
    offset: float | tuple[float, float] = 0.0,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """An image beside itself under the heat map of its best class, with a caption and a scale.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        scores: `(h, w, classes)`; the class with the highest single score is drawn.
        classes: names of the classes; the 1000 of ImageNet by default.
        alpha: as in `keras_fcn.visualize.overlay`, with `size`, `stride`, `offset` and `limits`.
        size: (height, width) of each half.
        stride: pixels from one position to the next.
        offset: pixel index of the centre of the first position.
        limits: scores at both ends of the scale; the range of the class by default.

    Returns:
        uint8 RGB.

    Raises:
        ValueError: shapes or values other than these.
    """
    scores = np.asarray(scores)
    if scores.ndim != 3:
        raise ValueError(f"`scores` must be (h, w, classes). Received: shape {scores.shape}")
    best = decode_predictions(scores[np.newaxis], top=1, classes=classes)[0][0]
    heat = scores[..., best.class_index]
    limits = limits or (float(heat.min()), float(heat.max()))
    right = overlay(image, heat, alpha, size=size, stride=stride, offset=offset, limits=limits)
    height, width = right.shape[:2]
    left = resize(match_channels(as_uint8(image), 3), (height, width))

    font_size = min(max(width // 20, 14), 32)
    gap = font_size // 2
    font = ImageFont.load_default(font_size)
    line = round(1.8 * font_size)
    picture = Image.new("RGB", (2 * width + gap, height + line), _PAPER)
    picture.paste(Image.fromarray(np.rint(left).astype(np.uint8)), (0, 0))
    picture.paste(Image.fromarray(right), (width + gap, 0))

    caption = _fitted(f"{best.score:.3g}  {best.name}", font, width - gap)
    draw = ImageDraw.Draw(picture)
    draw.text((gap, height + line // 2), caption, _INK, font, anchor="lm")
    _draw_scale(picture, (width + gap, height, width - gap, line), font, limits)
    return np.asarray(picture)


def _draw_scale(
    picture: Image.Image,
    box: tuple[int, int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    limits: tuple[float, float],
) -> None:
    left, top, width, height = box
    draw = ImageDraw.Draw(picture)
    low, high = (f"{limit:.3g}" for limit in limits)
    middle = top + height // 2
    draw.text((left, middle), low, _INK, font, anchor="lm")
    draw.text((left + width, middle), high, _INK, font, anchor="rm")
    margin = height // 4
    start = round(left + font.getlength(low)) + margin
    length = max(round(left + width - font.getlength(high)) - margin - start, 1)
    bar = heat_map(np.linspace(*limits, length)[np.newaxis], limits=limits)
    bar = np.repeat(bar, height - 2 * margin, axis=0)
    picture.paste(Image.fromarray(bar), (start, top + margin))


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip(" ,") + "..."
