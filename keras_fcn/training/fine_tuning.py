"""A trained model from a network and a folder of images and masks, in one call."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.datasets import SegmentationDataset
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.surgery.cards import of_this_package, with_card
from keras_fcn.training.assembly import assemble
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.distribution import Distribution, find_strategy
from keras_fcn.training.metrics import SegmentationResult
from keras_fcn.training.pictures import pictures, save_samples
from keras_fcn.training.progress import Display
from keras_fcn.training.run_folder import RunFolder

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["FineTuneResult", "fine_tune"]


@dataclass(frozen=True, eq=False)
class FineTuneResult:
    """Result of a run of `fine_tune`.

    Attributes:
        model: the network with the weights of the best epoch, in float32.
        metrics: of the best epoch on the validation data.
        history: a row an epoch: `epoch` (from 1), `step`, `learning_rate`, `loss`, `skipped`
            (pairs), `seconds`, and of the validated epochs `val_loss`, `mean_iou`,
            `pixel_accuracy`, `mean_class_accuracy`.
        best_epoch: counted from 1.
        run_folder: where everything is, see `fine_tune`.
        stopped_early: whether `patience` ended the run.
    """

    model: keras.Model
    metrics: SegmentationResult
    history: list[dict[str, float]]
    best_epoch: int
    run_folder: Path
    stopped_early: bool


def fine_tune(
    model: keras.Model | Callable[[], keras.Model],
    train: SegmentationDataset,
    val: SegmentationDataset,
    run_folder: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    augmentation: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
    **options: Any,
) -> FineTuneResult:
    """Trains a network on segmentation data.

    A run that was stopped, even killed, goes on from its last checkpoint when it is started again
    with the same arguments, and ends with the weights of an unbroken run. Started again after its
    end it trains no more. `run_folder` gets:

    - `config.json`, `history.csv`, `checkpoints/last.npz` and `best.npz`
    - `metrics.txt`, `metrics.json`: the table of the classes, of the best epoch on `val`
    - `samples/*.png`: images of `val`, their labels and what the model says
    - `model.keras`, `saved_model/`: the model (`exports`)
    - `tensorboard/`

    Args:
        model: a network that gives a map of class scores: one of this package, or a functional
            or sequential one of Keras. Its layers are trained themselves, and frozen ones stay
            so. Or a function that makes one: of several hosts each needs its model made after
            `find_strategy`.
        train: what to train on.
        val: what to choose the best epoch by; same classes.
        run_folder: made if it is not there; of several hosts one that all share.
        preprocessing: how images are prepared, kept in the trained model, with the option
            `size`; None for the model's own. That of a run that goes on must be the same.
        augmentation: as for `SegmentationDataset.to_tf`.
        strategy: where to train; None for what `find_strategy` says: all hosts of `TF_CONFIG`, or
            all GPUs, or the one device.
        callbacks: Keras callbacks, called at the beginning and end of training, epochs and
            updates; `model.stop_training` is heeded at the end of an epoch.
        verbose: shows progress on the terminal.
        **options: those of `TrainingConfig`.

    Raises:
        ValueError: arguments that do not fit each other or the run in the folder, a bad pair, or
            a loss that is NaN or infinite.
        CaffeError: the run folder cannot be written.
    """
    config = TrainingConfig(**_plain(options))
    distribution = Distribution(strategy or find_strategy())
    keras.utils.set_random_seed(config.seed)
    model = model if isinstance(model, keras.Model) else model()
    model = _prepared(model, preprocessing, config.size)
    if train.classes != val.classes or train.ignore_index != val.ignore_index:
        raise ValueError(
            "train and val must have the same classes and ignore index. Received: "
            f"{train.classes}, {train.ignore_index} and {val.classes}, {val.ignore_index}"
        )
    folder = RunFolder(run_folder)
    asked = _asked(model, train, val, augmentation, config)
    display = Display(verbose and distribution.is_chief)
    trainer = assemble(
        model, train, val, augmentation, config, distribution, folder, callbacks, display
    )
    folder.write_config(asked, write=distribution.is_chief)
    trainer.restore()
    state = trainer.run()
    metrics = trainer.finish()
    if distribution.is_chief:
        folder.clean()
        folder.write_metrics(metrics, state.best_epoch)
        save_samples(folder.samples, pictures(trainer.model, val, config.samples, config.size))
        folder.export(trainer.model, config.exports)
        display.say(f"best epoch {state.best_epoch}\n{metrics}\n{folder.path}")
    return FineTuneResult(
        trainer.model, metrics, state.history, state.best_epoch, folder.path, state.stopped
    )


def _prepared(
    model: keras.Model, preprocessing: Preprocessing | None, size: tuple[int, int] | None
) -> keras.Model:
    """A model whose card holds how images are prepared, and will be saved.

    Images that are brought to a size for training are brought to it ever after.
    """
    own = preprocessing or card_of(model).preprocessing
    if size is not None and own is not None:
        preprocessing = dataclasses.replace(own, size=size)
    if preprocessing is None:
        return of_this_package(model)
    return with_card(model, preprocessing=preprocessing)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, an optimizer as what Keras makes it from."""
    optimizer = options.get("optimizer")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return dict(options)
    return {**options, "optimizer": keras.optimizers.serialize(optimizer)}


def _asked(
    model: keras.Model,
    train: SegmentationDataset,
    val: SegmentationDataset,
    augmentation: Any,
    config: TrainingConfig,
) -> dict[str, Any]:
    """Settings that tell one run from another."""
    return {
        "model": {"name": model.name, "parameters": model.count_params()},
        "preprocessing": _readable(card_of(model).preprocessing),
        "data": {
            "classes": list(train.classes),
            "train": [train.name, len(train)],
            "val": [val.name, len(val)],
            "preprocessing": _readable(train.preprocessing),
            "augmentation": getattr(augmentation, "__qualname__", repr(augmentation)),
        },
        "options": config.to_dict(),
    }


def _readable(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """A preprocessing for people; a mean image by its size and hash."""
    if preprocessing is None:
        return None
    mean, config = preprocessing.mean, preprocessing.to_config()
    if isinstance(mean, np.ndarray):
        size = "x".join(map(str, mean.shape))
        config["mean"] = f"image {size}, sha256 {hashlib.sha256(mean.tobytes()).hexdigest()}"
    return config
