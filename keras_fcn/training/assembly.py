"""From a network, data and options to a trainer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import update_card
from keras_fcn.datasets import LabelledImages
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.surgery.heads import replace_head
from keras_fcn.training import networks
from keras_fcn.training.class_weights import class_weights
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.normalization import (
    Normalization,
    choose_normalization,
    describe_normalization,
)
from keras_fcn.training.objective import Objective
from keras_fcn.training.outputs import main_network
from keras_fcn.training.progress import Display
from keras_fcn.training.run_folder import RunFolder
from keras_fcn.training.runtime.interface import Runtime
from keras_fcn.training.solver import Solver, make_optimizer
from keras_fcn.training.state import State
from keras_fcn.training.trainer import Trainer

__all__ = ["assemble"]

_MOST_BATCHES = 200  # for statistics


def assemble(
    model: keras.Model,
    train: LabelledImages,
    val: LabelledImages,
    augmentation: Any,
    config: TrainingConfig,
    runtime: Runtime,
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    display: Display,
    multipliers: Mapping[str, networks.Multipliers],
) -> Trainer:
    """All parts of a run, put together; arguments as for `fine_tune`, and a prototxt's multipliers.

    Raises:
        ValueError: options that do not fit the network or the data.
    """
    whole, model = _with_head(model, train, config)
    choose_normalization(whole, config.batch_norm)
    networks.freeze(whole, config.freeze)
    for line in describe_normalization(whole, config.freeze):
        display.say(line)
    multipliers = _multipliers(whole, multipliers, config.multipliers)
    twin = runtime.twin(whole)

    def read(batch_size: int, **options: Any) -> Any:
        return runtime.read(
            train,
            model,
            batch_size,
            augmentation=augmentation,
            shuffle=True,
            seed=config.seed,
            size=config.size,
            crop_size=config.crop_size,
            repeat=True,
            on_error=config.on_bad_pair,
            balance_classes=config.balance_classes,
            **options,
        )

    def examples() -> Iterator[Any]:
        share = config.batch_size // runtime.replicas or 1
        count = min(math.ceil(len(train) / share), _MOST_BATCHES)
        return (images for images, _ in read(share).take(count))

    normalization = Normalization(whole, twin, examples, runtime)
    steps = config.steps_per_epoch or math.ceil(len(train) / (config.batch_size * config.iter_size))
    with runtime.scope(), normalization.out_of_sight():
        weights = class_weights(train, config.class_weights, config.on_bad_pair)
        objective = Objective(twin, config, train.ignore_index, weights, train.of_pixels)
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
    for index, seed in enumerate(networks.seeds_among(objective.model.variables)):
        seed.assign([config.seed, index])

    def pipeline(state: State) -> Iterator[tuple[Any, Any]]:
        passes = state.step * config.iter_size * runtime.local_replicas
        # Where pairs were left out, batches are not where they would be.
        wind = passes if state.bad_pairs else 0

        def batches(batch_size: int, shard: tuple[int, int]) -> Any:
            made = read(batch_size, start=passes - wind, shard=shard)
            return made.skip(wind) if wind else made

        return iter(runtime.batches(batches, config.batch_size))

    return Trainer(
        model=model,
        whole=whole,
        twin=twin,
        objective=objective,
        solver=solver,
        train=train,
        val=val,
        config=config,
        folder=folder,
        runtime=runtime,
        pipeline=pipeline,
        normalization=normalization,
        steps_per_epoch=steps,
        callbacks=keras.callbacks.CallbackList(
            list(callbacks), model=model, epochs=config.epochs, steps=steps
        ),
        display=display,
    )


def _classes(data: LabelledImages) -> Classes:
    """Knowledge of the data's classes for the model's card."""
    if not data.of_pixels:
        return Classes(data.classes)
    colours = data.palette if len(data.palette) == len(data.classes) else None
    palette = None if colours is None else np.array(colours, np.uint8)
    return Classes(data.classes, palette, data.ignore_index)


def _with_head(
    model: keras.Model, data: LabelledImages, config: TrainingConfig
) -> tuple[keras.Model, keras.Model]:
    """The network with scores of the data's classes, which it knows by name.

    Returns:
        All of it, and the one without second heads, which are the same where there are none.

    Raises:
        ValueError: it has scores of others, and no new head is wanted or can be made.
    """
    main = main_network(model, config.auxiliary) if data.of_pixels else model
    classes, have = _classes(data), networks.scores(main, data.of_pixels).classes
    if config.new_head is True or (config.new_head == "auto" and have != len(classes)):
        if main is not model:
            raise ValueError(
                f"a network with second heads of its own must score the {len(classes)} classes of "
                "the data: keras.Model(model.inputs, model.outputs[0]) gets a new head. "
                f"Received: {model.name!r} with {have}, new_head={config.new_head!r}"
            )
        model = replace_head(model, classes)
        return model, model
    if have != len(classes):
        raise ValueError(
            f"the network must score the {len(classes)} classes of the data; new_head='auto' gives "
            f"it new ones. Received: {model.name!r} with {have}"
        )
    update_card(main, classes=classes)
    return model, main


def _multipliers(
    model: keras.Model,
    known: Mapping[str, networks.Multipliers],
    patterns: Mapping[str, tuple[float, float]],
) -> dict[str, networks.Multipliers]:
    """Multipliers of each parameter; a learning-rate multiplier of 0 freezes it."""
    found = dict(known)
    trained = networks.parameters(model)
    for pattern, factors in patterns.items():
        for name in networks.matching(pattern, trained, "parameter"):
            found[name] = networks.Multipliers(*factors)
    for name, variable in trained.items():
        variable.trainable = found.get(name, networks.Multipliers()).rate != 0
    return found
