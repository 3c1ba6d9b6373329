"""Train the LeNet of the licence-plate demo on glyphs drawn from fonts, and store it for Caffe.

    python examples/licence_plate/train.py --fonts FOLDER_OR_FILE ... --held-out NAME ...

Without `--fonts` the DejaVu fonts that matplotlib ships are used. Fonts whose file name contains
one of the `--held-out` words are never trained on; the accuracy is measured on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import convert
import keras_fcn  # noqa: F401  loads Keras without TensorFlow's lines
from keras_fcn.samples import sample_path

import keras
import numpy as np
from glyphs import CHARACTERS, WINDOW, find_fonts, samples
from keras import layers

CHUNK = 4000  # windows drawn by one process at a time, each chunk from its own seed
SCALE = 1 / 256  # of pixels, as Caffe's own LeNet has it
ALIKE = str.maketrans("01", "OI")  # pairs that several fonts draw alike


def matplotlib_fonts() -> list[Path]:
    """The DejaVu fonts inside an installed matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise SystemExit("Install matplotlib for its fonts, or name fonts by --fonts.") from error
    return sorted((Path(mpl.get_data_path()) / "fonts" / "ttf").glob("DejaVu*.ttf"))


def draw(fonts: Sequence[Path], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`samples` on all processors; the result depends on `seed` alone.

    Returns:
        Windows (count, 28, 28, 1), float32 from 0 to 1, and targets (count, 36).
    """
    counts = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    seeds = [[seed, chunk] for chunk in range(len(counts))]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        windows, targets = zip(*pool.map(samples, repeat(fonts), counts, seeds), strict=True)
    return np.concatenate(windows) * np.float32(SCALE), np.concatenate(targets)


def build() -> keras.Sequential:
    """The LeNet of lenet_plate.prototxt in Keras' own layers, with Caffe's layer names."""
    return keras.Sequential(
        [
            keras.Input((WINDOW, WINDOW, 1), name="data"),
            layers.Conv2D(20, 5, name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(50, 5, name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(500, name="ip1"),
            layers.ReLU(name="relu1"),
            layers.Dense(len(CHARACTERS), name="ip2"),
            layers.Softmax(name="prob"),
        ]
    )


def fit(
    model: keras.Model, windows: np.ndarray, targets: np.ndarray, epochs: int, batch: int = 256
) -> None:
    """Train with Adam and a cosine schedule; the targets are probabilities, not classes."""
    steps = epochs * -(-len(windows) // batch)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), "categorical_crossentropy")
    model.fit(windows, targets, batch, epochs, verbose=2)


def caffe_weights(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Kernels and biases by layer name as Caffe keeps them.

    Returns:
        Convolution kernels (out, in, height, width) and inner products (out, in), where the
        inputs of ip1 run over channel, row, column: Keras flattens row, column, channel.
    """
    rows, columns, channels = model.get_layer("pool2").output.shape[1:]
    weights = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        elif layer.name == "ip1":
            kernel = kernel.reshape(rows, columns, channels, -1).transpose(3, 2, 0, 1)
            kernel = kernel.reshape(len(kernel), -1)
        else:
            kernel = kernel.T
        weights[layer.name] = [np.ascontiguousarray(kernel), bias]
    return weights


def report(model: keras.Model, windows: np.ndarray, targets: np.ndarray) -> float:
    """Print, and return, the accuracy on windows with a character in the middle."""
    probabilities = model.predict(windows, 512, verbose=0)
    certainty = targets.max(axis=1)
    centred, empty = certainty > 0.99, certainty < 0.05
    read = ["".join(CHARACTERS[i] for i in p[centred].argmax(1)) for p in (targets, probabilities)]
    accuracy = np.mean([a == b for a, b in zip(*read, strict=True)])
    alike = np.mean([a.translate(ALIKE) == b.translate(ALIKE) for a, b in zip(*read, strict=True)])
    false = np.mean(probabilities[empty].max(axis=1) > 0.5)
    print(f"{centred.sum()} characters: {accuracy:.2%} right ({alike:.2%} where 0=O and 1=I)")
    print(f"{empty.sum()} windows without a character in the middle: {false:.2%} seen as one")
    return float(accuracy)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, print the accuracy and write lenet_plate.caffemodel; returns the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fonts", nargs="+", type=Path, help="font files, or folders of them")
    parser.add_argument("--held-out", nargs="+", default=["Mono-Bold"], help="parts of file names")
    parser.add_argument("--windows", type=int, default=200_000, help="training windows to draw")
    parser.add_argument("--tests", type=int, default=8_000, help="windows to measure on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--output", type=Path, default=sample_path("lenet_plate.caffemodel"))
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(2014)
    fonts = find_fonts(options.fonts or matplotlib_fonts())
    held_out = [font for font in fonts if any(word in font.name for word in options.held_out)]
    trained_on = [font for font in fonts if font not in held_out]
    if not (held_out and trained_on):
        parser.error(f"no font left on one side; {len(fonts)} fonts, held out: {options.held_out}")
    print(f"{len(trained_on)} fonts to train on, held out: {', '.join(f.stem for f in held_out)}")
    model = build()
    fit(model, *draw(trained_on, options.windows, seed=1), options.epochs)
    accuracy = report(model, *draw(held_out, options.tests, seed=2))
    convert.write_caffemodel(
        options.output, sample_path("lenet_plate.prototxt"), caffe_weights(model)
    )
    print(f"wrote {options.output} ({options.output.stat().st_size / 1e6:.2f} MB)")
    return accuracy


if __name__ == "__main__":
    main()
