"""Characters as 28x28 grey training windows, drawn from font files and then worn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from clutter import clutter, photograph, surroundings
from PIL import Image, ImageDraw, ImageFilter, ImageFont

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
WINDOW = 28
MASTER = 40  # cap height in pixels at which glyphs are drawn, before they are scaled down
STROKES = {
    "normal": ImageFilter.BoxBlur(0),
    "bold": ImageFilter.MaxFilter(3),
    "fine": ImageFilter.MinFilter(3),
}
UNWANTED_STYLES = ("italic", "oblique", "thin", "hairline", "light", "black")
# What a window shows and how often: a character in the middle, or beside it, the space beside or
# between characters, characters of a wrong size, none at all.
KINDS = {"centred": 0.54, "shifted": 0.16, "gap": 0.12, "fragment": 0.04, "clutter": 0.14}
# A character whose centre is nearer than FULL pixels to the window's centre is to be named with
# certainty, one farther than NONE pixels not at all; in between the target fades.
FULL, NONE = 3.0, 7.0


def find_fonts(places: Iterable[str | Path]) -> list[Path]:
    """Upright, normal-weight font files among `places` (files or folders) with all 36 characters.

    Raises:
        ValueError: when no usable font is found.
    """
    paths = [Path(place) for place in places]
    files = [
        file
        for place in paths
        for file in ([place] if place.is_file() else sorted(place.rglob("*.[to]tf")))
        if not any(style in file.stem.lower() for style in UNWANTED_STYLES)
    ]
    usable = list({file.name: file for file in files if _has_all_characters(file)}.values())
    if not usable:
        raise ValueError(
            "No font with the characters A-Z and 0-9 found; name .ttf or .otf files, or folders "
            f"that hold some. Received: {[str(path) for path in paths]}"
        )
    return usable


def _has_all_characters(file: Path) -> bool:
    """A font shows every missing character as the same box, so 36 distinct glyphs are all there."""
    font = ImageFont.truetype(str(file), 40)
    return len({bytes(font.getmask(character)) for character in CHARACTERS}) == len(CHARACTERS)


@cache
def glyph(file: Path, character: str, stroke: str) -> tuple[Image.Image, int]:
    """The ink of a character (0 none, 255 full) and its top edge relative to the capitals' top."""
    trial = ImageFont.truetype(str(file), 200)
    _, top, _, bottom = trial.getbbox("H")
    font = ImageFont.truetype(str(file), round(200 * MASTER / (bottom - top)))
    capitals_top = font.getbbox("H")[1]
    left, top, right, bottom = font.getbbox(character)
    image = Image.new("L", (round(right - left) + 2, round(bottom - top) + 2))
    ImageDraw.Draw(image).text((1 - left, 1 - top), character, fill=255, font=font)
    return image.filter(STROKES[stroke]), round(top - capitals_top) - 1


def _strip(file: Path, text: str, rng: np.random.Generator) -> Image.Image:
    """Three characters side by side as on a plate, the middle one in the middle of the picture."""
    stroke = str(rng.choice(list(STROKES)))
    before, (middle, top), after = (glyph(file, character, stroke) for character in text)
    strip = Image.new("L", (4 * MASTER, 2 * MASTER))
    x, y = strip.width // 2, (strip.height - MASTER) // 2
    gap = rng.uniform(0.08, 0.35) * MASTER
    pitch = rng.uniform(0.66, 0.95) * MASTER if text[1] == " " or rng.random() < 0.5 else 0
    for side, (image, image_top) in ((-1, before), (1, after)):
        distance = max(pitch, (middle.width + image.width) / 2 + gap)
        strip.paste(image, (round(x + side * distance - image.width / 2), y + image_top))
    strip.paste(middle, (x - middle.width // 2, y + top))
    return strip


def _place(strip: Image.Image, height: float, dx: float, dy: float, rng: np.random.Generator):
    """The 28x28 window of the strip: capitals `height` pixels tall, shifted, tilted, sheared."""
    angle, shear = np.radians(rng.normal(0, 3)), rng.normal(0, 0.06)
    narrow = rng.uniform(0.65, 1.1)
    scale = MASTER / height
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * np.array([[1 / narrow, shear], [0, 1]]) @ rotation
    window_centre = np.array([WINDOW / 2 + dx, WINDOW / 2 + dy])
    offset = np.array([strip.width, strip.height]) / 2 - matrix @ window_centre
    # A transform takes single points: what is finer than a pixel of the window has to go first.
    smooth = strip.filter(ImageFilter.GaussianBlur(0.4 * scale))
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return smooth.transform(
        (WINDOW, WINDOW), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )


def sample(fonts: Sequence[Path], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One training window and its target.

    Returns:
        The window, uint8 of shape (28, 28), and 36 probabilities: certain for a character in the
        middle of the window, uniform where there is none (the net has no class for "nothing").
    """
    uniform = np.full(len(CHARACTERS), 1 / len(CHARACTERS), np.float32)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "clutter":
        return photograph(clutter(WINDOW, rng), rng), uniform
    file = fonts[int(rng.integers(len(fonts)))]
    index = int(rng.integers(len(CHARACTERS)))
    before, after = (
        " " if rng.random() < 0.25 else CHARACTERS[i] for i in rng.integers(len(CHARACTERS), size=2)
    )
    text = before + (" " if kind == "gap" else CHARACTERS[index]) + after
    reach = {"centred": FULL, "gap": NONE - 1}.get(kind, WINDOW / 2)
    dx, dy = rng.uniform(-reach, reach, size=2)
    height = rng.uniform(17.5, 24.5)
    if kind == "fragment":
        height *= float(rng.choice([0.4, 2.0, 3.0]))
    ink = _place(_strip(file, text, rng), height, dx, dy, rng)
    window = surroundings(ink, 0 if kind == "gap" else 0.6 * height, (dx, dy), rng)
    certainty = 0.0
    if kind in {"centred", "shifted"}:
        certainty = float(np.clip((NONE - max(abs(dx), abs(dy))) / (NONE - FULL), 0, 1))
    target = (1 - certainty) * uniform
    target[index] += certainty
    return photograph(window, rng), target.astype(np.float32)


def samples(
    fonts: Sequence[Path], count: int, seed: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """`count` windows, uint8 (count, 28, 28, 1), and targets, float32 (count, 36)."""
    rng = np.random.default_rng(seed)
    windows, targets = zip(*(sample(fonts, rng) for _ in range(count)), strict=True)
    return np.stack(windows)[..., None], np.stack(targets)
