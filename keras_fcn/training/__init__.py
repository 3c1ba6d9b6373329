"""Training on segmentation data: losses, solvers, metrics, and runs that survive being killed.

    import keras_fcn
    from keras_fcn import datasets

    train, val = (datasets.load_camvid("CamVid", split) for split in ("train", "val"))
    model = keras_fcn.FCN8s(weights="fcn8s-heavy-pascal")
    result = keras_fcn.fine_tune(model, train, val, "runs/camvid", epochs=20, freeze=("conv1*",))
    print(result.metrics)

Names are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_fcn.lazy import lazy

if TYPE_CHECKING:
    from keras_fcn.training.config import TrainingConfig
    from keras_fcn.training.distribution import find_strategy
    from keras_fcn.training.evaluation import evaluate
    from keras_fcn.training.fine_tuning import FineTuneResult, fine_tune
    from keras_fcn.training.losses import PixelwiseCrossEntropy, median_frequency_weights
    from keras_fcn.training.metrics import SegmentationMetrics, SegmentationResult, confusion_matrix
    from keras_fcn.training.schedules import CaffeSchedule

_HOMES = {
    "config": ("TrainingConfig",),
    "distribution": ("find_strategy",),
    "evaluation": ("evaluate",),
    "fine_tuning": ("FineTuneResult", "fine_tune"),
    "losses": ("PixelwiseCrossEntropy", "median_frequency_weights"),
    "metrics": ("SegmentationMetrics", "SegmentationResult", "confusion_matrix"),
    "schedules": ("CaffeSchedule",),
}

__all__ = [
    "CaffeSchedule",
    "FineTuneResult",
    "PixelwiseCrossEntropy",
    "SegmentationMetrics",
    "SegmentationResult",
    "TrainingConfig",
    "confusion_matrix",
    "evaluate",
    "find_strategy",
    "fine_tune",
    "median_frequency_weights",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
