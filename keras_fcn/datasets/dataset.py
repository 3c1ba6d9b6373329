"""Pairs of images and masks, with the classes that the masks name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["SegmentationDataset"]


@dataclass(frozen=True, eq=False, repr=False)
class SegmentationDataset(LabelledImages):
    """Images with a class for every pixel.

    The functions `load_folders`, `load_voc` and so on of `keras_fcn.datasets` make one; what is
    not said here says `LabelledImages`.
    """

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a pair.

        Returns:
            The image `(H, W, channels)`, uint8 0..255 or float32 0..1, RGB where it has three
            channels; the mask `(H, W)`, class indices and `ignore_index`, uint8 where they fit.

        Raises:
            OSError: a file is missing or cannot be read.
            ValueError: a file is damaged, the sizes differ, or the mask names no class.
            CaffeError: a database or list of Caffe is wrong.
        """
        pair = self.pairs[index]
        image = pair.image.read()
        mask = self.truth(pair)
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"{pair.mask.name}: the mask is {mask.shape}, its image {pair.image.name} is "
                f"{image.shape[:2]} (height, width)"
            )
        return image, mask

    def indices(self, raw: np.ndarray, name: str) -> np.ndarray:
        """Class indices and `ignore_index`, `(H, W)`, of a mask as its file has it."""
        return self.labels(raw, name)

    def _own_facts(self) -> list[tuple[str, str]]:
        return [("void", str(self.ignore_index))]
