"""Read licence plates with a LeNet cast to a fully convolutional network.

    python examples/licence_plate/demo.py

From a Caffe prototxt and caffemodel to text: convert, build the classifier, cast it, run it over
a whole photograph, read the text off the map, and draw heat maps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import convert
import keras_fcn
from keras_fcn.samples import sample_path
from keras_fcn.visualize import save_png

import keras
import numpy as np
import pictures
from PIL import Image
from reading import STRIDE, WINDOW, Line, find_characters, read_lines

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"  # the classes, in the net's order
PIXEL_SCALE = np.float32(1 / 256)  # as the net was trained, and as keras_fcn.LeNet has it


@dataclass(frozen=True)
class Result:
    """What the demo found: the map (rows, columns, 36), the lines of text, the pictures."""

    probabilities: np.ndarray
    lines: list[Line]
    pictures: list[Path]


def map_length(pixels: int) -> int:
    """Length of the map for a length of the picture; Caffe's poolings round up."""
    for _ in range(2):
        pixels = -(-(pixels - 4) // 2)
    return pixels - 3


def print_blobs(model: keras.Model, grey: np.ndarray) -> None:
    """The table of the net's blobs for a picture, shapes in Caffe's order."""
    scaled = grey[np.newaxis, np.newaxis] * PIXEL_SCALE
    print(f"\n{'blob':<10} shape")
    for name, blob in keras_fcn.blobs(model, scaled).items():
        print(f"{name:<10} {' x '.join(map(str, blob.shape))}")


def largest_difference(
    classifier: keras.Model, grey: np.ndarray, probabilities: np.ndarray, lines: list[Line]
) -> float:
    """Between the map at the characters found and the classifier on the windows cut out there."""
    cells = [character.cell for line in lines for character in line.characters]
    corners = [(STRIDE * i, STRIDE * j) for i, j in cells]
    windows = np.stack([grey[y : y + WINDOW, x : x + WINDOW, np.newaxis] for y, x in corners])
    single = classifier.predict(windows * PIXEL_SCALE, verbose=0)
    return float(np.abs(single - probabilities[tuple(zip(*cells, strict=True))]).max())


def draw(
    photo: Image.Image, probabilities: np.ndarray, lines: list[Line], output: Path
) -> list[Path]:
    """Write a heat map for each character that was read, and the sheet; returns the files."""
    found = [character for line in lines for character in line.characters]
    drawn = {"plate_read": pictures.sheet(photo, probabilities, lines, CHARACTERS)}
    for index in sorted({character.index for character in found}):
        places = [character for character in found if character.index == index]
        drawn[f"heat_{CHARACTERS[index]}"] = pictures.character_heat_map(
            photo, probabilities[..., index], CHARACTERS[index], places
        )
    files = []
    for name, picture in drawn.items():
        files.append(output / f"{name}.png")
        save_png(files[-1], np.asarray(picture))
    return files


def main(arguments: Sequence[str] | None = None) -> Result:
    """Run the demo; prints what it does and returns what it found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--image", type=Path, default=sample_path("plate.png"))
    parser.add_argument("--output", type=Path, default=Path("out/demo"), help="folder to write to")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)

    weights = options.output / "lenet_plate.h5"
    prototxt, caffemodel = map(sample_path, ("lenet_plate.prototxt", "lenet_plate.caffemodel"))
    print(f"{caffemodel.name} -> {weights}")
    print(convert.convert(prototxt, caffemodel, weights))

    classifier = keras_fcn.LeNet(classes=len(CHARACTERS), weights=weights)
    fcn = keras_fcn.to_fully_convolutional(classifier)
    photo = Image.open(options.image).convert("RGB")
    grey = np.asarray(photo.convert("L"))
    print_blobs(fcn, grey)

    probabilities = keras_fcn.predict(fcn, grey)
    expected = (map_length(photo.height), map_length(photo.width), len(CHARACTERS))
    if probabilities.shape != expected:
        raise SystemExit(f"the map should be {expected}. Received: {probabilities.shape}")
    print(f"\n{photo.height} x {photo.width} picture -> {expected[0]} x {expected[1]} map")

    lines = read_lines(find_characters(probabilities), CHARACTERS)
    for line in lines:
        sure = min(character.probability for character in line.characters)
        print(f"read: {line.text}   (least probable character: {sure:.2f})")
    if not lines:
        print("read: nothing; characters must be dark on light and about 20 pixels tall")
    else:
        difference = largest_difference(classifier, grey, probabilities, lines)
        print(f"classifier on the same windows: {difference:.1e} away at most")
    files = draw(photo, probabilities, lines, options.output)
    print(f"look at {files[0]}; heat maps: {options.output}/heat_*.png ({len(files) - 1} files)")
    return Result(probabilities, lines, files)


if __name__ == "__main__":
    main()
