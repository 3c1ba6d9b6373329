"""Text from the map of a fully convolutional classifier: peaks, then lines, then strings.

Only the map is looked at. A cell (i, j) of the map saw the 28x28 pixels of the picture from
(4i, 4j) on, because the net has no padding and two poolings of stride 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRIDE, WINDOW = 4, 28
CONFIDENT = 0.7  # probability above which a cell may be a character
REACH = 2  # cells around a peak in which no second character can be: 8 pixels
FARTHEST = 42  # pixels between neighbouring characters of a line, a word gap included
SLANT = 0.25  # rise over run between neighbouring characters of a line
SHORTEST = 3  # characters; fewer are scenery that looks like one by chance


@dataclass(frozen=True)
class Character:
    """A character found.

    Attributes:
        index: Its class.
        probability: Of that class, at the peak.
        cell: Row and column of the peak in the map.
        x: Column of its centre in pixels of the picture.
        y: Row of its centre.
    """

    index: int
    probability: float
    cell: tuple[int, int]
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """Characters from left to right, and what they say."""

    characters: tuple[Character, ...]
    text: str


def find_characters(probabilities: np.ndarray) -> list[Character]:
    """Peaks of the most probable class's probability, strongest first.

    Args:
        probabilities: Map of shape (rows, columns, classes).
    """
    best = probabilities.max(axis=-1)
    rows, columns = best.shape
    free = np.ones_like(best, bool)
    found = []
    for cell in np.argsort(best, axis=None)[::-1]:
        i, j = np.unravel_index(cell, best.shape)
        if best[i, j] < CONFIDENT:
            break
        if not free[i, j]:
            continue
        index = int(probabilities[i, j].argmax())
        around = np.s_[max(i - REACH, 0) : i + REACH + 1, max(j - REACH, 0) : j + REACH + 1]
        free[around] = False
        # Several cells see the character: their mean, weighted, is finer than the map's grid.
        near = np.s_[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        weight = probabilities[(*near, index)]
        y, x = (np.average(grid[near], weights=weight) for grid in np.indices((rows, columns)))
        centre = (WINDOW - 1) / 2
        found.append(
            Character(
                index, float(best[i, j]), (int(i), int(j)), STRIDE * x + centre, STRIDE * y + centre
            )
        )
    return found


def read_lines(found: list[Character], alphabet: str) -> list[Line]:
    """Chain neighbours to lines of text, top left line first; a wide gap becomes a space."""
    left_to_right = sorted(found, key=lambda character: character.x)
    chains: list[list[Character]] = []
    for character in left_to_right:
        follows = [chain for chain in chains if _continues(chain[-1], character)]
        if follows:
            nearest = min(follows, key=lambda chain: character.x - chain[-1].x)
            nearest.append(character)
        else:
            chains.append([character])
    lines = [_line(chain, alphabet) for chain in chains if len(chain) >= SHORTEST]
    return sorted(lines, key=lambda line: (line.characters[0].x, line.characters[0].y))


def _continues(last: Character, character: Character) -> bool:
    dx, dy = character.x - last.x, character.y - last.y
    return dx <= FARTHEST and abs(dy) <= max(SLANT * dx, STRIDE)


def _line(chain: list[Character], alphabet: str) -> Line:
    steps = np.diff([character.x for character in chain])
    text = alphabet[chain[0].index]
    for step, character in zip(steps, chain[1:], strict=True):
        text += " " * bool(step > 1.5 * np.median(steps)) + alphabet[character.index]
    return Line(tuple(chain), text)
