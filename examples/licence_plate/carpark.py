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
    box = mask.getbbox()
    piece = gradient((box[2] - box[0], box[3] - box[1]), top, bottom)
    scene.paste(piece, box[:2], mask.crop(box))


def _times(colour: Colour, factor: float) -> Colour:
    return tuple(min(255, round(factor * value)) for value in colour)


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


def car(scene: Image.Image, x: float, y: float, unit: float, paint: Colour) -> None:
    """A car from behind, standing on row y around column x, `unit` pixels to 1/200 of its width."""

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points given from the car's left half, mirrored to a closed outline."""
        both = [*points, *((-px, py) for px, py in reversed(points))]
        return [(x + unit * px, y - unit * py) for px, py in both]

    dark = _times(paint, 0.35)
    _fill(scene, at((-108, -5), (-100, 8)), (20, 20, 22), (26, 26, 28), 6 * unit)  # its shadow
    for side in (-1, 1):
        tyre = [
            x + side * unit * 78 - 17 * unit,
            y - 36 * unit,
            x + side * unit * 78 + 17 * unit,
            y,
        ]
        ImageDraw.Draw(scene).rounded_rectangle(tyre, 5 * unit, (18, 18, 19))
    roof = at((-58, 158), (-40, 163), (-10, 165))
    _fill(scene, [*at((-86, 104), (-66, 150), (-50, 163), (-10, 166))], _times(paint, 1.15), paint)
    _fill(scene, at((-74, 106), (-58, 148), (-46, 154)), (46, 54, 64), (92, 102, 112))
    _fill(
        scene,
        [roof[0], *at((-30, 154))[:1], *at((-52, 106))[:1], *at((-74, 106))[:1]],
        (120, 132, 144),
        (98, 108, 118),
        3 * unit,
    )  # a reflection in the rear window
    body = at((-98, 14), (-102, 60), (-96, 100), (-80, 110), (-20, 112))
    _fill(scene, body, _times(paint, 1.1), _times(paint, 0.7))
    _fill(scene, at((-84, 104), (-82, 107)), _times(paint, 1.5), _times(paint, 1.3))
    _fill(scene, at((-99, 14), (-102, 42), (-98, 46)), _times(paint, 0.85), dark)  # bumper
    _fill(scene, at((-84, 10), (-88, 20)), (24, 24, 26), (16, 16, 17))
    for side in (-1, 1):
        lamp = [(side * px, py) for px, py in ((-98, 70), (-96, 94), (-70, 90), (-74, 72))]
        outline = [(x + unit * px, y - unit * py) for px, py in lamp]
        _fill(scene, outline, (196, 34, 30), (112, 12, 14), 1.5)
        shine = [(side * px, py) for px, py in ((-94, 84), (-93, 90), (-76, 88), (-77, 84))]
        _fill(
            scene,
            [(x + unit * px, y - unit * py) for px, py in shine],
            (236, 120, 100),
            (206, 60, 50),
            unit,
        )
