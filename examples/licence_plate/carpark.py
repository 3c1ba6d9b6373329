"""The scenery of the demo's picture: a wall, asphalt and cars seen from behind."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """A picture which goes from the colour `top` to the colour `bottom`."""
    ramp = np.linspace(0, 1, size[1])[:, None, None]
    rows = (1 - ramp) * np.array(top) + ramp * np.array(bottom)
    return Image.fromarray(np.broadcast_to(rows, (size[1], size[0], 3)).astype(np.uint8))


def _fill(scene: Image.Image, outline: list, top: Colour, bottom: Colour, soft: float = 1) -> None:
    """Paint the polygon through the given points with a gradient and softened edges."""
    mask = Image.new("L", scene.size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(soft))
    left, upper, right, lower = mask.getbbox() or (0, 0, 1, 1)
    piece = gradient((right - left, lower - upper), top, bottom)
    scene.paste(piece, (left, upper), mask.crop((left, upper, right, lower)))


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(factor * value)) for value in colour)
    return red, green, blue


def ground(size: tuple[int, int], horizon: int, rng: np.random.Generator) -> Image.Image:
    """A rendered wall above, asphalt with the white lines of the parking bays below."""
    width, height = size
    scene = gradient(size, (172, 166, 156), (140, 134, 126))
    scene.paste(gradient((width, height - horizon), (74, 74, 76), (112, 111, 109)), (0, horizon))
    draw = ImageDraw.Draw(scene)
    draw.rectangle([0, horizon - height // 40, width, horizon], (98, 94, 90))
    for joint in range(1, 6):  # between the slabs of the wall
        draw.line([joint * width / 6, 0, joint * width / 6, horizon], (118, 113, 106), width // 400)
    draw.line([0, horizon // 3, width, horizon // 3], (122, 117, 110), width // 400)
    for bay in range(4):
        x = width * bay / 3
        lean = (x - width / 2) * 0.12
        draw.polygon(
            [(x - 8, horizon), (x + 8, horizon), (x + lean + 16, height), (x + lean - 16, height)],
            (196, 196, 192),
        )
    rough = rng.normal(0, 1, (height // 3, width // 3))
    stains = rng.normal(0, 1, (height // 60, width // 60))
    texture = np.zeros((height, width))
    for grain, weight in ((rough, 5), (stains, 3)):
        image = Image.fromarray(grain.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
        texture += weight * np.asarray(image)
    worn = np.asarray(scene, np.float32) + texture[..., None]
    return Image.fromarray(np.clip(worn, 0, 255).astype(np.uint8))


# The parts of a car from back to front: left half of the outline, in 200ths of the car's width
# from the middle of its foot; colours at top and bottom, as multiples of the paint or fixed.
GLASS, GLASS_LOW, BLACK = (46, 54, 64), (92, 102, 112), (20, 20, 22)
PARTS: tuple[tuple[list[tuple[int, int]], float | Colour, float | Colour], ...] = (
    ([(-86, 104), (-66, 150), (-50, 163), (-10, 166)], 1.15, 1.0),  # cabin
    ([(-74, 106), (-58, 148), (-46, 154)], GLASS, GLASS_LOW),
    ([(-98, 14), (-102, 60), (-96, 100), (-80, 110), (-20, 112)], 1.1, 0.7),  # body
    ([(-84, 104), (-82, 107)], 1.5, 1.3),  # lid
    ([(-99, 14), (-102, 34), (-98, 38)], 0.8, 0.35),  # bumper
    ([(-84, 10), (-88, 20)], BLACK, BLACK),
)
# Parts that are not closed across the middle.
TYRE = [(-95, 2), (-96, 20), (-61, 20), (-61, 2), (-64, -1), (-92, -1)], BLACK, BLACK
LAMP = [(-98, 74), (-96, 97), (-66, 94), (-72, 76)], (196, 34, 30), (112, 12, 14)
SHINE = [(-94, 87), (-93, 93), (-73, 92), (-75, 88)], (236, 120, 100), (206, 60, 50)
REFLECTION = [(-58, 148), (-30, 154), (-52, 106), (-74, 106)], (120, 132, 144), (98, 108, 118)


def car(scene: Image.Image, x: float, y: float, unit: float, paint: Colour) -> None:
    """A car from behind, 200 * unit pixels wide, which stands on row y around column x."""

    def at(points: list[tuple[int, int]], side: int = 1) -> list[tuple[float, float]]:
        return [(x + unit * side * px, y - unit * py) for px, py in points]

    def colour(shade: float | Colour) -> Colour:
        return shade if isinstance(shade, tuple) else _times(paint, shade)

    shadow: list[tuple[int, int]] = [(-104, -4), (-98, 8)]
    _fill(scene, at(shadow) + at(shadow[::-1], side=-1), BLACK, BLACK, 6 * unit)
    for side in (-1, 1):
        _fill(scene, at(TYRE[0], side), *TYRE[1:], unit / 2)
    for half, top, bottom in PARTS:
        outline = at(half) + at(half[::-1], side=-1)
        _fill(scene, outline, colour(top), colour(bottom), unit / 2)
    _fill(scene, at(REFLECTION[0]), *REFLECTION[1:], 3 * unit)
    for side in (-1, 1):
        for half, top, bottom in (LAMP, SHINE):
            _fill(scene, at(half, side), top, bottom, unit / 2)
