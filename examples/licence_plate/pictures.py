"""Pictures of what the net found: heat maps over the photograph, and all of it on one sheet."""

from __future__ import annotations

from collections.abc import Iterable

from keras_fcn import visualize

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from reading import STRIDE, WINDOW, Character, Line

ZOOM = 2
MARK, INK, PAPER = (0, 230, 120), (30, 30, 30), (250, 250, 250)
BOX = (8, 12)  # half the width and height of the frame around a character, pixels
TILE = 84  # side of a window on the sheet
GAP = 8


def heat_map(photo: Image.Image, probabilities: np.ndarray) -> Image.Image:
    """One map over the grey photograph, every cell at the centre of the window it saw."""
    centre = ZOOM * WINDOW / 2 - 0.5
    return Image.fromarray(
        visualize.overlay(
            np.asarray(photo.convert("L")),
            probabilities,
            alpha=0.65,
            size=(ZOOM * photo.height, ZOOM * photo.width),
            stride=ZOOM * STRIDE,
            offset=centre,
            limits=(0, 1),
        )
    )


def character_heat_map(
    photo: Image.Image, probabilities: np.ndarray, name: str, found: Iterable[Character]
) -> Image.Image:
    """The map of one class with a frame and the class' name at each place where it was found."""
    picture = heat_map(photo, probabilities)
    for character in found:
        _frame(picture, character, name)
    return picture


def sheet(
    photo: Image.Image, probabilities: np.ndarray, lines: list[Line], alphabet: str
) -> Image.Image:
    """Photograph with frames and text, heat map of the best class, and every window read."""
    marked = photo.resize((ZOOM * photo.width, ZOOM * photo.height), Image.Resampling.BICUBIC)
    for line in lines:
        for character in line.characters:
            _frame(marked, character, alphabet[character.index])
    panels = [
        ("Characters found, and the text they make", marked),
        ("Probability of the most probable class", heat_map(photo, probabilities.max(axis=-1))),
        ("The 28x28 windows at the peaks: class and probability", _windows(photo, lines, alphabet)),
    ]
    title = 32
    height = sum(panel.height + title for _, panel in panels)
    result = Image.new("RGB", (marked.width, height), PAPER)
    draw, top = ImageDraw.Draw(result), 0
    for caption, panel in panels:
        draw.text((GAP, top + title // 2), caption, INK, ImageFont.load_default(18), anchor="lm")
        result.paste(panel, (0, top + title))
        top += title + panel.height
    return result


def _frame(picture: Image.Image, character: Character, name: str) -> None:
    draw = ImageDraw.Draw(picture)
    x, y = ZOOM * (character.x + 0.5), ZOOM * (character.y + 0.5)
    width, height = ZOOM * BOX[0], ZOOM * BOX[1]
    draw.rectangle([x - width, y - height, x + width, y + height], outline=MARK, width=2)
    font = ImageFont.load_default(30)
    place = (x, y - height - 6)
    draw.text(place, name, MARK, font, anchor="mb", stroke_width=3, stroke_fill=INK)


def _windows(photo: Image.Image, lines: list[Line], alphabet: str) -> Image.Image:
    """A row for each line: its text, and what the net saw at each peak."""
    row = TILE + 24 + GAP
    picture = Image.new("RGB", (ZOOM * photo.width, max(1, len(lines)) * row), PAPER)
    draw = ImageDraw.Draw(picture)
    for index, line in enumerate(lines):
        top = index * row
        middle = (2 * GAP, top + TILE // 2)
        draw.text(middle, line.text, INK, ImageFont.load_default(48), anchor="lm")
        for place, character in enumerate(line.characters):
            i, j = (STRIDE * cell for cell in character.cell)
            seen = photo.convert("L").crop((j, i, j + WINDOW, i + WINDOW)).resize((TILE, TILE))
            left = 300 + place * (TILE + 9 * GAP)
            picture.paste(seen.convert("RGB"), (left, top))
            label = f"{alphabet[character.index]}  {character.probability:.2f}"
            centre = (left + TILE // 2, top + TILE + 4)
            draw.text(centre, label, INK, ImageFont.load_default(18), anchor="mt")
    return picture
