"""Say what a picture shows, with a classifier of the model zoo.

    python examples/classify.py cat.jpg
    python examples/classify.py cat.jpg --network VGG16 --weights vgg16

The weights are fetched and converted the first time; ``keras-fcn models`` lists their names.
How images are prepared comes with the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import keras_fcn


def main(arguments: Sequence[str] | None = None) -> list[keras_fcn.inference.decoding.Prediction]:
    """Print the five best classes."""
    parser = argparse.ArgumentParser(description="Say what a picture shows.")
    parser.add_argument("image")
    parser.add_argument("--network", default="CaffeNet", help="a function of keras_fcn")
    parser.add_argument(
        "--weights", default="bvlc_reference_caffenet", help="a file, a published name, or none"
    )
    options = parser.parse_args(arguments)

    weights = None if options.weights == "none" else options.weights
    model = getattr(keras_fcn, options.network)(weights=weights)
    scores = keras_fcn.predict(model, options.image)
    (best,) = keras_fcn.decode_predictions(scores[None])
    for index, name, score in best:
        print(f"{score:.4f}  {index:4}  {name}")
    return best


if __name__ == "__main__":
    main()
