"""Train LeNet on a database of characters, as Caffe did, and let it look at a whole photograph.

    python examples/licence_plate/from_lmdb.py -o out/plates

From an LMDB of labelled windows to the feature map of a picture: read a datum, train the network
of `lenet_train_test.prototxt`, classify, draw its first filters, cast it to convolutions. The
databases of `Datum` messages, `train_lmdb` and `val_lmdb`, are drawn where they are not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras_fcn
from keras_fcn import datasets, visualize
from keras_fcn.samples import sample_path
from keras_fcn.training import ClassificationResult

import keras
import lmdb
import numpy as np
from glyphs import CHARACTERS, find_fonts, samples
from PIL import Image, ImageFont

HERE = Path(__file__).parent
STRIDE, CENTRE = 4, 13.5  # of the map's positions, in pixels: two poolings, windows of 28


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes:
        metrics: on the windows of `val_lmdb`.
        classifier: LeNet, as it was saved.
        fcn: its cast.
        probabilities: of the photograph, (rows, columns, 36).
    """

    metrics: ClassificationResult
    classifier: keras.Model
    fcn: keras.Model
    probabilities: np.ndarray


def own_font(folder: Path) -> Path:
    """The font that comes with Pillow, as a file."""
    path = folder / "pillow.ttf"
    path.write_bytes(ImageFont.load_default(20).path.getvalue())
    return path


def write_database(path: Path, fonts: Sequence[Path], count: int, seed: int) -> None:
    """Windows with a character in the middle, each a `Datum` with its label."""
    written, round_ = 0, 0
    with lmdb.open(str(path), map_size=1 << 28) as database, database.begin(write=True) as put:
        while written < count:
            windows, targets = samples(fonts, 2 * count, [seed, round_])
            round_ += 1
            sure = targets.max(axis=1) > 0.99
            for window, target in zip(windows[sure], targets[sure], strict=True):
                datum = keras_fcn.io.array_to_datum(window.transpose(2, 0, 1), int(target.argmax()))
                if written < count:
                    put.put(f"{written:08}".encode(), datum.SerializeToString())
                    written += 1


def train(folder: Path, epochs: int) -> ClassificationResult:
    """The run of LeNet in `folder / "run"`; images are those of the prototxt, times 1/256."""
    data = [
        datasets.load_lmdb_classes(folder / f"{split}_lmdb", classes=CHARACTERS)
        for split in ("train", "val")
    ]
    image, label = data[0][0]
    print(f"{data[0]}\nthe first datum: {image.shape} {image.dtype}, {CHARACTERS[label]!r}")
    data[0].show(0).save(folder / "datum.png")
    lenet = keras_fcn.from_caffe(
        HERE / "lenet_train_test.prototxt", input_shapes={"data": (1, 28, 28)}, seed=0
    )
    return keras_fcn.fine_tune(
        lenet,
        *data,
        folder / "run",
        epochs=epochs,
        batch_size=64,
        optimizer="adam",
        learning_rate=2e-3,
        exports=("keras", "caffe"),
    ).metrics


def main(arguments: Sequence[str] | None = None) -> Result:
    """Do all of it; pictures and models are in the folder then."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fonts", nargs="+", type=Path, help="font files, or folders of them")
    parser.add_argument("--windows", type=int, default=4000, help="to draw for training")
    parser.add_argument("--tests", type=int, default=500, help="windows to draw to measure on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image", type=Path, default=sample_path("plate.png"))
    parser.add_argument("--character", choices=CHARACTERS, default="2", help="whose map to draw")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/plates"))
    options = parser.parse_args(arguments)
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    fonts = find_fonts(options.fonts or [own_font(folder)])
    for seed, (split, count) in enumerate((("train", options.windows), ("val", options.tests))):
        if not (folder / f"{split}_lmdb").exists():
            write_database(folder / f"{split}_lmdb", fonts, count, seed)

    metrics = train(folder, options.epochs)
    classifier = keras_fcn.load(folder / "run" / "model.keras")
    window, label = datasets.load_lmdb_classes(folder / "val_lmdb", classes=CHARACTERS)[0]
    for found in keras_fcn.classify(classifier, window, 3):
        print(f"{found['label']} {found['score']:.3f}   of a window that shows {CHARACTERS[label]}")
    kernel = classifier.get_layer("conv1").kernel.numpy()
    visualize.save_png(folder / "conv1.png", visualize.filters(kernel, columns=5))

    fcn = keras_fcn.to_fully_convolutional(classifier)
    keras_fcn.export(fcn, folder / "lenet_fcn.keras", "keras")
    probabilities = keras_fcn.predict(fcn, options.image)
    photo = np.asarray(Image.open(options.image).convert("RGB"))
    shown = probabilities[..., CHARACTERS.index(options.character)]
    heat = visualize.overlay(photo, shown, stride=STRIDE, offset=CENTRE)
    visualize.save_png(folder / f"map_{options.character}.png", heat)
    rows, columns, _ = photo.shape
    print(f"{rows} x {columns} picture -> {' x '.join(map(str, probabilities.shape))} map")
    print(f"look at datum.png, conv1.png, map_{options.character}.png and run/samples in {folder}")
    return Result(metrics, classifier, fcn, probabilities)


if __name__ == "__main__":
    main()
