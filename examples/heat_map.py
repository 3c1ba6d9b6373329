"""Draw where a fully convolutional classifier sees a class: the cat of the net surgery article.

    python examples/heat_map.py cat.jpg -o out
    python examples/heat_map.py cat.jpg --class "tiger cat" -o out

CaffeNet cast to convolutions gives a 451 x 451 picture an 8 x 8 map of 1000 classes, one cell
every 32 pixels. Written are the class's heat map over the picture, the map of best classes, and
the filters of the first layer.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras_fcn
from keras_fcn.preprocessing import load_image
from keras_fcn.visualize import class_map_picture, filters, label_map, save_png

import keras
import numpy as np


def class_names(model: keras.Model, count: int) -> tuple[str, ...]:
    """Those that the network knows, or numbers where it knows none."""
    known = model.card.classes
    return known.names if known else tuple(f"class {index}" for index in range(count))


def draw(model: keras.Model, image: str, size: int, wanted: str | None, folder: Path) -> np.ndarray:
    """Write the pictures; returns the map (rows, columns, classes)."""
    own = dataclasses.replace(model.card.preprocessing, size=(size, size))
    pixels = load_image(image, color=own.channels == 3)
    scores = keras_fcn.predict(model, pixels, preprocessing=own)
    names = class_names(model, scores.shape[-1])
    best = int(scores.max(axis=(0, 1)).argmax())
    index = best if wanted is None else names.index(wanted)
    row, column = np.unravel_index(scores[..., index].argmax(), scores.shape[:2])
    print(f"map of {scores.shape[0]} x {scores.shape[1]} cells; {names[index]}: ", end="")
    print(f"{scores[..., index].max():.4f} at row {row}, column {column}")

    *_, field = keras_fcn.receptive_field(model).values()  # the last is the output's
    heat_map = class_map_picture(
        own.inverse(own(pixels)),  # the picture as the network saw it
        scores[..., [index]],
        classes=[names[index]],
        stride=field.stride,
        offset=field.offset,
    )
    kernel = next(layer.kernel for layer in model.layers if layer.weights)
    folder.mkdir(parents=True, exist_ok=True)
    save_png(folder / "heat_map.png", heat_map)
    classes = np.unique(scores.argmax(axis=-1), return_inverse=True)[1].reshape(scores.shape[:2])
    save_png(folder / "classes.png", label_map(classes).repeat(32, axis=0).repeat(32, axis=1))
    save_png(folder / "filters.png", filters(np.asarray(kernel), zoom=6))
    return scores


def main(arguments: Sequence[str] | None = None) -> np.ndarray:
    """Read the command line, draw."""
    parser = argparse.ArgumentParser(description="Draw where a network sees a class.")
    parser.add_argument("image")
    parser.add_argument("--network", default="CaffeNetFCN", help="a function of keras_fcn")
    parser.add_argument(
        "--weights", default="bvlc_reference_caffenet", help="a file, a published name, or none"
    )
    parser.add_argument("--class", dest="wanted", help="its name; by default the best class")
    parser.add_argument("--size", type=int, default=451, help="side of the picture, pixels")
    parser.add_argument("-o", "--output", type=Path, default=Path("out"), help="a folder")
    options = parser.parse_args(arguments)

    weights = None if options.weights == "none" else options.weights
    model = getattr(keras_fcn, options.network)(weights=weights)
    return draw(model, options.image, options.size, options.wanted, options.output)


if __name__ == "__main__":
    main()
