"""What is in a photograph besides characters: backgrounds, edges, light, blur and noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def _shade(size: int, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """A flat or linearly graded surface, grey values 0 to 1."""
    level = rng.uniform(low, high)
    slope = rng.normal(0, 0.12 if rng.random() < 0.6 else 0.02, size=2)
    rows, columns = np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    return np.clip(level + slope[0] * rows + slope[1] * columns, 0, 1)


def surroundings(
    ink: Image.Image, clear: float, shift: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Paint dark ink on a light plate, with the plate's rim where the window reaches over it.

    Args:
        ink: The window's ink, 0 to 255.
        clear: Pixels around the character's centre which the rim keeps clear of.
        shift: Where the character's centre lies relative to the window's centre (x, y).
        rng: Source of randomness.

    Returns:
        Grey values 0 to 1 of the ink's size.
    """
    size = ink.width
    window = _shade(size, 0.45, 1.0, rng)
    cover = np.asarray(ink, np.float32) / 255
    window *= 1 - rng.uniform(0.3, 0.9) * cover
    if rng.random() < 0.4:  # embossed: light on one side of each stroke, shade on the other
        window += rng.uniform(-0.15, 0.15) * (np.roll(cover, (1, 1), (0, 1)) - cover)
    outside = clutter(size, rng) if rng.random() < 0.5 else _shade(size, 0, 1, rng)
    rim = rng.uniform(0, 0.6)
    centre = size / 2 + np.array(shift[::-1])
    for axis, often in ((0, 0.35), (1, 0.15 if clear else 0.35)):
        for side in (-1, 1):
            if rng.random() > often:
                continue
            beyond = side * (np.arange(size) + 0.5 - centre[axis]) - clear - rng.uniform(0, 10)
            beyond = np.expand_dims(beyond, 1 - axis)
            window = np.where(beyond > rng.uniform(0, 3), outside, window)
            window = np.where((beyond > 0) & (beyond < rng.uniform(0, 3)), rim, window)
    return np.clip(window, 0, 1)


def clutter(size: int, rng: np.random.Generator) -> np.ndarray:
    """A window with no character: surfaces, bars, discs and edges in any grey, 0 to 1."""
    scale = 4
    image = Image.fromarray((255 * _shade(size * scale, 0, 1, rng)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 5)):
        grey = int(rng.integers(256))
        reach = rng.uniform(-0.5, 1.5, size=(2, 2)) * size * scale
        low, high = reach.min(axis=0), reach.max(axis=0)
        corners = [tuple(p) for p in rng.uniform(-0.5, 1.5, size=(3, 2)) * size * scale]
        shape = rng.integers(6)
        if shape == 0:
            draw.line([tuple(p) for p in reach], fill=grey, width=int(rng.integers(2, 14)))
        elif shape == 1:
            draw.rectangle([*low, *high], fill=grey)
        elif shape == 2:
            draw.ellipse([*low, *high], fill=grey)
        elif shape == 3:
            draw.polygon(corners, fill=grey)
        else:  # an edge or a stripe right through the window, level or nearly
            y, dy = rng.uniform(0, 1) * size * scale, rng.normal(0, 0.05) * size * scale
            points = [(0, y - dy), (size * scale, y + dy)]
            if shape == 4:
                draw.line(points, fill=grey, width=int(rng.integers(2, 20)))
            else:
                draw.polygon([*points, (size * scale, 999), (0, 999)], fill=grey)
    image = image.resize((size, size), Image.Resampling.BOX)
    if rng.random() < 0.5:
        image = image.rotate(90)
    return np.asarray(image, np.float32) / 255


def photograph(window: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, expose and grain a picture: grey values 0 to 1 in, uint8 out."""
    image = Image.fromarray((255 * window).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.9)))
    gain, lift = rng.uniform(0.7, 1.1), rng.uniform(-0.08, 0.12)
    exposed = np.asarray(image, np.float32) / 255 * gain + lift
    grainy = exposed + rng.normal(0, rng.uniform(0, 0.05), size=window.shape)
    return (255 * np.clip(grainy, 0, 1)).astype(np.uint8)
