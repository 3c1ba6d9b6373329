"""Mean and variance of a network that gives another answer each time."""

from __future__ import annotations

import keras
import numpy as np


def monte_carlo(
    model: keras.Model, images: np.ndarray, samples: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Prediction of a Bayesian network and its uncertainty: mean and variance of many samples.

    Source: Gal and Ghahramani, "Dropout as a Bayesian Approximation", 2016.

    Args:
        model: one whose passes differ, such as `keras_fcn.BayesianSegNet()`.
        images: (batch, height, width, channels), prepared for the network.
        samples: how many passes.

    Returns:
        Mean and variance of the outputs, each of the outputs' shape, float32.

    Raises:
        ValueError: `samples` below 1.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1. Received: samples={samples}")
    mean = np.zeros(())
    squares = np.zeros(())
    for count in range(1, samples + 1):
        outputs = np.asarray(model.predict(images, verbose=0), np.float64)
        # Welford's update: sums of squares would lose the small differences of large values.
        difference = outputs - mean
        mean = mean + difference / count
        squares = squares + difference * (outputs - mean)
    return mean.astype(np.float32), (squares / samples).astype(np.float32)
