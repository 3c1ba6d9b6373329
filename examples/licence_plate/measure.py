"""How often the demo reads a plate right: pictures with random texts, in a given font.

python examples/licence_plate/measure.py --font FILE ... --pictures 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import keras_fcn
from keras_fcn.samples import sample_path

import numpy as np
from demo import CHARACTERS
from plate import TEXTS, render
from reading import find_characters, read_lines

LETTERS, DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "123456789"


def random_text(rng: np.random.Generator) -> str:
    """Three letters, a space and four digits, without the I, O and zero."""
    return "".join(rng.choice(list(LETTERS), 3)) + " " + "".join(rng.choice(list(DIGITS), 4))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, read and count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--font", nargs="+", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=10, help="for each font")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture")
    options = parser.parse_args(arguments)
    fcn = keras_fcn.LeNetFCN(classes=len(CHARACTERS), weights=sample_path("lenet_plate.caffemodel"))
    for font in options.font:
        plates, right, stray = 0, 0, 0
        for seed in range(options.seed, options.seed + options.pictures):
            rng = np.random.default_rng(1000 + seed)
            texts = [random_text(rng) for _ in TEXTS]
            grey = np.asarray(render(font, texts, seed).convert("L"))
            probabilities = keras_fcn.predict(fcn, grey)
            read = [line.text for line in read_lines(find_characters(probabilities), CHARACTERS)]
            for wrong in sorted(set(texts) ^ set(read)):
                print(f"  picture {seed}: {'missed' if wrong in texts else 'read'} {wrong}")
            plates += len(texts)
            right += len(set(texts) & set(read))
            stray += max(0, len(read) - len(texts))
        print(f"{font.stem}: {right} of {plates} plates without an error, {stray} lines too many")


if __name__ == "__main__":
    main()
