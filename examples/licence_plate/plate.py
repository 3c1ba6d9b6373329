"""Draw the demo's picture: a car park with three cars, their licence plates to be read.

    python examples/licence_plate/plate.py --font B612Mono-Bold.otf -o plate.png

Cars, plates and texts are invented. Everything is drawn four times as large and scaled down.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from keras_fcn.samples import sample_path

import numpy as np
from carpark import car, ground
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

HEIGHT, WIDTH = 290, 720
FINE = 4  # the drawing's scale
# Neither I, O nor zero: fonts draw them like 1 and each other, and many plates leave them out.
TEXTS = ("KFC 2741", "LNT 5389", "HWY 6824")
PLATE = (152, 33)  # width and height of a plate in the picture, in pixels
CAPITALS = 21  # height of its characters
BAND = 13  # width of the coloured band at its left
BAND_PAINT = (26, 74, 138)
PITCH = 16  # from one character to the next
WIDEST = 14  # to which a wider character is narrowed


def _fine(*values: float) -> list[int]:
    return [round(FINE * value) for value in values]


def draw_plate(text: str, font: Path, rng: np.random.Generator) -> Image.Image:
    """A plate seen from the front, RGBA, at the fine scale: embossed, screwed on, dusty."""
    width, height = _fine(*PLATE)
    image = Image.new("RGB", (width, height), (28, 30, 34))
    draw = ImageDraw.Draw(image)
    rim, radius = FINE // 2 + 1, 3 * FINE
    draw.rounded_rectangle([rim, rim, width - rim, height - rim], radius, (236, 236, 228))
    draw.rounded_rectangle([rim, rim, *_fine(BAND), height - rim], radius, BAND_PAINT)
    draw.rectangle([FINE * BAND - radius, rim, FINE * BAND, height - rim], BAND_PAINT)
    draw.polygon(_fine(7, 21, 10, 25, 7, 29, 4, 25), (240, 240, 240))

    ink = Image.new("L", image.size)
    trial = ImageFont.truetype(str(font), 400)
    _, top, _, bottom = trial.getbbox("H")
    face = ImageFont.truetype(str(font), FINE * CAPITALS * 400 / (bottom - top))
    first = BAND + (PLATE[0] - BAND - PITCH * (len(text) - 1)) / 2
    for index, character in enumerate(text):
        glyph = Image.new("L", (2 * FINE * PITCH, height))
        middle = (glyph.width / 2, FINE * (PLATE[1] + CAPITALS) / 2)
        ImageDraw.Draw(glyph).text(middle, character, 255, face, anchor="ms")
        left, _, right, _ = glyph.getbbox() or (0, 0, 1, 1)
        narrower = min(1, FINE * WIDEST / (right - left))
        glyph = glyph.resize((round(narrower * glyph.width), height), Image.Resampling.BICUBIC)
        ink.paste(255, (round(FINE * (first + PITCH * index) - glyph.width / 2), 0), glyph)
    raised = ink.filter(ImageFilter.GaussianBlur(FINE * 0.4))
    light = ImageChops.subtract(ImageChops.offset(raised, -FINE // 2, -FINE // 2), raised)
    shade = ImageChops.subtract(ImageChops.offset(raised, FINE, FINE), raised)
    image.paste((255, 255, 252), mask=light)
    image.paste((120, 120, 116), mask=shade.point(lambda value: value * 0.6))
    image.paste((26, 26, 32), mask=ink)

    for x in (BAND + 5, PLATE[0] - 5):
        y = PLATE[1] / 2
        draw.ellipse(_fine(x - 1.8, y - 1.8, x + 1.8, y + 1.8), (150, 150, 146))
        draw.line(_fine(x - 1, y - 0.6, x + 1, y + 0.6), (80, 80, 80), 2)
    specks = 90 * np.maximum(0, rng.normal(0, 0.6, (height // 12, width // 12)))
    dust = Image.fromarray(np.minimum(255, specks).astype(np.uint8)).resize(image.size)
    image.paste((112, 100, 82), mask=dust)
    image.putalpha(255)
    return image


def mount(scene: Image.Image, plate: Image.Image, x: float, y: float, rng: np.random.Generator):
    """Set a plate into the scene with its centre at (x, y), a little turned and in perspective."""
    width, height = plate.size
    angle, near = rng.uniform(-0.03, 0.03), rng.uniform(-0.04, 0.04)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    corners[:, 1] *= 1 + near * np.sign(corners[:, 0])  # the nearer end is taller
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    there = corners @ turn + _fine(x, y)
    here = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    rows = []
    for (u, v), (a, b) in zip(there, here, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -a * u, -a * v], [0, 0, 0, u, v, 1, -b * u, -b * v]]
    coefficients = np.linalg.solve(np.array(rows), here.reshape(-1))
    moved = plate.transform(
        scene.size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC
    )
    shadow = moved.getchannel("A").filter(ImageFilter.GaussianBlur(2 * FINE))
    scene.paste((8, 8, 10), (FINE, 2 * FINE), shadow.point(lambda value: value * 0.6))
    scene.paste(moved, mask=moved.getchannel("A"))


def render(font: Path, texts: Sequence[str] = TEXTS, seed: int = 7) -> Image.Image:
    """The whole picture, RGB, 720 x 290, one car for each text."""
    rng = np.random.default_rng(seed)
    scene = ground((FINE * WIDTH, FINE * HEIGHT), FINE * 96, rng)
    paints = ((112, 24, 28), (150, 156, 162), (34, 56, 96))
    for index, text in enumerate(texts):
        x = WIDTH * (index + 0.5) / len(texts) + rng.uniform(-6, 6)
        foot = 262 + rng.uniform(-8, 8)
        unit = FINE * rng.uniform(1.0, 1.06)
        car(scene, FINE * x, FINE * foot, unit, paints[index % len(paints)])
        mount(scene, draw_plate(text, font, rng), x, foot - rng.uniform(50, 54), rng)
    scene = scene.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    rows, columns = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    light = 1.08 - 0.22 * columns - 0.1 * rows
    photo = np.asarray(scene, np.float32) * light[..., None]
    photo += rng.normal(0, 4, photo.shape[:2])[..., None] + rng.normal(0, 2, photo.shape)
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture and store it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--font", type=Path, required=True, help="font file of the plates")
    parser.add_argument("--texts", nargs="+", default=TEXTS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path, default=sample_path("plate.png"))
    options = parser.parse_args(arguments)
    render(options.font, options.texts, options.seed).save(options.output)
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
