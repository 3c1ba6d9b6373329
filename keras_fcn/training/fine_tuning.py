"""A trained model from a network and a folder of images and masks, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_fcn.datasets import SegmentationDataset
from keras_fcn.heads import replace_head
from keras_fcn.training import networks
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.distribution import Distribution, find_strategy
from keras_fcn.training.losses import median_frequency_weights
from keras_fcn.training.metrics import SegmentationResult
from keras_fcn.training.objective import Objective
from keras_fcn.training.pictures import pictures, save_samples
from keras_fcn.training.progress import Display
from keras_fcn.training.run_folder import RunFolder
from keras_fcn.training.solver import Solver, make_optimizer
from keras_fcn.training.trainer import State, Trainer

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

__all__ = ["FineTuneResult", "fine_tune"]


@dataclass(frozen=True, eq=False)
class FineTuneResult:
    """What a run of `fine_tune` ended with.

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
        model: a network that gives a map of class scores and knows its preprocessing; it is
            trained itself, and frozen layers stay so. Or a function that makes one: of several
            hosts each needs its model made after `find_strategy`.
        train: what to train on.
        val: what to choose the best epoch by; same classes.
        run_folder: made if it is not there; of several hosts one that all share.
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
    if train.classes != val.classes or train.ignore_index != val.ignore_index:
        raise ValueError(
            "train and val must have the same classes and ignore index. Received: "
            f"{train.classes}, {train.ignore_index} and {val.classes}, {val.ignore_index}"
        )
    folder = RunFolder(run_folder)
    asked = _asked(model, train, val, augmentation, config)
    display = Display(verbose and distribution.is_chief)
    trainer = _trainer(
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
    """What makes a run this one, and no other."""
    return {
        "model": {"name": model.name, "parameters": model.count_params()},
        "data": {
            "classes": list(train.classes),
            "train": [train.name, len(train)],
            "val": [val.name, len(val)],
            "augmentation": getattr(augmentation, "__qualname__", repr(augmentation)),
        },
        "options": config.to_dict(),
    }


def _trainer(
    model: keras.Model,
    train: SegmentationDataset,
    val: SegmentationDataset,
    augmentation: Any,
    config: TrainingConfig,
    distribution: Distribution,
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    display: Display,
) -> Trainer:
    """All parts of a run, put together."""
    multipliers = networks.caffe_multipliers(model) if config.caffe_multipliers else {}
    model = _with_head(model, len(train.classes), config.new_head)
    networks.freeze(model, config.freeze)
    multipliers = _multipliers(model, multipliers, config.multipliers)
    twin = distribution.twin(model)
    steps = config.steps_per_epoch or math.ceil(len(train) / (config.batch_size * config.iter_size))
    with distribution.strategy.scope():
        objective = Objective(twin, config, train.ignore_index, _class_weights(train, config))
        trained = networks.parameters(objective.model)
        solver = Solver(
            make_optimizer(config, config.epochs * steps),
            list(trained.values()),
            [multipliers.get(name, networks.Multipliers()) for name in trained],
            weight_decay=config.weight_decay,
            regularization=config.regularization,
            clip_gradients=config.clip_gradients,
            iter_size=config.iter_size,
        )
    for index, seed in enumerate(networks.seed_states(objective.model)):
        seed.assign([config.seed, index])

    def pipeline(state: State) -> Iterator[tuple[Any, Any]]:
        passes = state.step * config.iter_size * distribution.local_replicas
        # Where pairs were left out, batches are not where they would be.
        wind = passes if state.bad_pairs else 0

        def batches(batch_size: int, shard: tuple[int, int]) -> tf.data.Dataset:
            made = train.to_tf(
                model,
                batch_size,
                augmentation=augmentation,
                shuffle=True,
                seed=config.seed,
                size=config.size,
                crop_size=config.crop_size,
                repeat=True,
                start=passes - wind,
                shard=shard,
                on_error=config.on_bad_pair,
            )
            return made.skip(wind) if wind else made

        return iter(distribution.batches(batches, config.batch_size))

    return Trainer(
        model=model,
        twin=twin,
        objective=objective,
        solver=solver,
        train=train,
        val=val,
        config=config,
        folder=folder,
        distribution=distribution,
        pipeline=pipeline,
        steps_per_epoch=steps,
        callbacks=keras.callbacks.CallbackList(
            list(callbacks), model=model, epochs=config.epochs, steps=steps
        ),
        display=display,
    )


def _with_head(model: keras.Model, classes: int, new_head: str | bool) -> keras.Model:
    """The network with scores of the data's classes.

    Raises:
        ValueError: it has scores of others, and no new head is wanted.
    """
    have = networks.scores(model).classes
    if new_head is True or (new_head == "auto" and have != classes):
        return replace_head(model, classes)
    if have != classes:
        raise ValueError(
            f"the network must score the {classes} classes of the data; new_head='auto' gives it "
            f"new ones. Received: {model.name!r} with {have}"
        )
    return model


def _multipliers(
    model: keras.Model,
    known: Mapping[str, networks.Multipliers],
    patterns: Mapping[str, tuple[float, float]],
) -> dict[str, networks.Multipliers]:
    """Those of each parameter; one whose rate is 0 is frozen."""
    found = dict(known)
    trained = networks.parameters(model)
    for pattern, factors in patterns.items():
        for name in networks.matching(pattern, trained, "parameter"):
            found[name] = networks.Multipliers(*factors)
    for name, variable in trained.items():
        variable.trainable = found.get(name, networks.Multipliers()).rate != 0
    return found


def _class_weights(train: SegmentationDataset, config: TrainingConfig) -> Sequence[float] | None:
    given = config.class_weights
    if given is None:
        return None
    if given == "median_frequency":
        return median_frequency_weights(train).tolist()
    if isinstance(given, str) or len(given) != len(train.classes):
        raise ValueError(
            f"`class_weights` must be 'median_frequency' or {len(train.classes)} numbers, one a "
            f"class. Received: {given!r}"
        )
    return given
