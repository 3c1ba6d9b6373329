"""A trained model from a network and a folder of images and masks, in one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_fcn.caffe.words import either, quoted
from keras_fcn.core.card import card_of
from keras_fcn.datasets import LabelledImages
from keras_fcn.datasets.ready import model_or_no_preprocessing
from keras_fcn.datasets.usable import left_out, require_usable
from keras_fcn.exporting.trial import check_formats, try_exports
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.surgery.cards import of_this_package, with_card
from keras_fcn.surgery.losses import without_losses
from keras_fcn.text_tables import html_table
from keras_fcn.training import networks
from keras_fcn.training.asked import asked_of_data, asked_of_model
from keras_fcn.training.assembly import assemble
from keras_fcn.training.class_results import Result
from keras_fcn.training.classes import in_classes_of, of_same_classes
from keras_fcn.training.config import CLASS_MONITORS, MONITORS, TrainingConfig
from keras_fcn.training.overview import disk_note, overview
from keras_fcn.training.pictures import pictures, save_samples
from keras_fcn.training.progress import Display
from keras_fcn.training.run_folder import RunFolder
from keras_fcn.training.runtime.choice import find_runtime
from keras_fcn.training.runtime.limits import within_backend

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

__all__ = ["FineTuneResult", "fine_tune"]


@dataclass(frozen=True, eq=False)
class FineTuneResult:
    """Result of a run of `fine_tune`.

    Attributes:
        model: the network with the weights of the best epoch, in float32.
        metrics: of the best epoch on the validation data.
        history: a row an epoch: `epoch` (from 1), `step`, `learning_rate`, `loss`, `skipped`
            (pairs), `seconds`, and of the validated epochs `val_loss` and the figures of
            `metrics.summary()`: `mean_iou`, or `accuracy`, and so on.
        best_epoch: counted from 1.
        run_folder: where everything is, see `fine_tune`.
        stopped_early: whether `patience` ended the run.
    """

    model: keras.Model
    metrics: Result
    history: list[dict[str, float]]
    best_epoch: int
    run_folder: Path
    stopped_early: bool

    def __repr__(self) -> str:
        early = ", stopped early" if self.stopped_early else ""
        return (
            f"<FineTuneResult {self.run_folder}: epoch {self.best_epoch} of {len(self.history)} is "
            f"the best{early}, {self.metrics.headline}>"
        )

    def __str__(self) -> str:
        return f"{repr(self)[1:-1].partition(' ')[2]}\n{self.metrics}"

    def _repr_html_(self) -> str:
        rows = [
            ("folder", str(self.run_folder)),
            ("epochs", f"{len(self.history)}{', stopped early' if self.stopped_early else ''}"),
            ("best epoch", str(self.best_epoch)),
        ]
        return html_table(rows) + self.metrics._repr_html_()


def fine_tune(
    model: keras.Model | Callable[[], keras.Model],
    train: LabelledImages,
    val: LabelledImages,
    run_folder: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    augmentation: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    overwrite: bool = False,
    verbose: bool = True,
    **options: Any,
) -> FineTuneResult:
    """Trains a network on images with masks, or with one label each.

    The data say which: of images with one label each, `ClassificationDataset`, a network that
    gives a vector of class scores is trained, of masks one that gives a map of them. A network of
    Caffe's training files, which ends in `SoftmaxWithLoss`, is trained on that loss and becomes
    one that gives probabilities.

    All pairs are read before the network is made, and all that cannot be used are named at once;
    what the exports need is looked for too. Whatever fails before the first update leaves the
    folder as it was. `run_folder` gets:

    - `config.json`, `history.csv`, `checkpoints/last.npz` and `best.npz`
    - `metrics.txt`, `metrics.json`: the table of the classes, of the best epoch on `val`; of
      whole images also `confusion.csv`, a row a label, a column a prediction
    - `samples/*.png`: images of `val`, their labels and what the model says
    - `model.keras`, `saved_model/`: the model of the best epoch (`exports`); `last.keras`: that of
      the last one
    - `tensorboard/`

    It runs on Keras' backends TensorFlow, JAX and PyTorch, on PyTorch on one device, and where
    TensorFlow does not compute without what it writes: `tensorboard/` and `saved_model/`.

    A run that was stopped, even killed, goes on from its last checkpoint when it is started again
    with the same arguments, and ends with the weights of an unbroken run. It may go on with
    another backend, which rounds otherwise and has other random numbers. Started again after its
    end it trains no more. `exports`, `samples`, `tensorboard`, `save_every` and `on_bad_pair` may
    be others then. More `epochs` extend the run: learning rates go on as if the run had been that
    long from the beginning, which of Caffe's policies matters to `poly` alone. It falls to 0 at
    the new end, and so goes on above where it stood.

    Args:
        model: a network that gives class scores: one of this package, or a functional or
            sequential one of Keras. Its layers are trained themselves, and frozen ones stay
            so. Or a function that makes one: of several hosts each needs its model made after
            `find_strategy`.
        train: what to train on.
        val: what to choose the best epoch by; same classes, of which whole images may lack some.
        run_folder: made if it is not there; of several hosts one that all share.
        preprocessing: how images are prepared, kept in the trained model, with the option
            `size`; None for the model's own. That of a run that goes on must be the same.
        augmentation: as for `LabelledImages.to_tf`.
        strategy: of TensorFlow, where to train; None for what `find_strategy` says: all hosts of
            `TF_CONFIG`, or all GPUs, or the one device. On JAX the devices are those of
            `keras.distribution.set_distribution`, called before the model is made.
        callbacks: Keras callbacks, called at the beginning and end of training, epochs and
            updates; `model.stop_training` is heeded at the end of an epoch.
        overwrite: begins anew where the folder has a run: the files of that run, and no others,
            are removed once the first update is made.
        verbose: shows progress on the terminal.
        **options: those of `TrainingConfig`.

    Raises:
        ValueError: arguments that do not fit each other or the run in the folder, a bad pair, or
            a loss that is NaN or infinite.
        CaffeError: the run folder cannot be written.
    """
    runtime = find_runtime(strategy)
    options, left_undone = within_backend(_for_task(_plain(options), train.of_pixels))
    config = TrainingConfig(**options)
    display = Display(verbose and runtime.is_chief)
    folder = RunFolder(run_folder, overwrite=overwrite)
    for line in (*runtime.notes, left_undone, _changed_backend(folder)):
        display.say(line)
    train, val = of_same_classes(train, val)
    folder.ask(data=asked_of_data(train, val, augmentation), options=config.to_dict())
    check_formats(config.exports)
    with display.counting(len(train) + len(val), "reading the data") as advance:
        datasets = {"training": train, "validation": val}
        require_usable(datasets, config.on_bad_pair, progress=lambda *_: advance())
    keras.utils.set_random_seed(config.seed)
    given = model if isinstance(model, keras.Model) else model()
    multipliers = networks.caffe_multipliers(given) if config.caffe_multipliers else {}
    given = _prepared(without_losses(given), preprocessing, config.size, train.of_pixels)
    train, val = (in_classes_of(given, x, may_differ=True) for x in (train, val))
    for dataset in (train, val):
        model_or_no_preprocessing(dataset, given)  # which pictures need, before all else
    folder.ask(**asked_of_model(given))
    require_usable(datasets, config.on_bad_pair, channels=given.inputs[0].shape[-1])
    trainer = assemble(
        given,
        train,
        val,
        augmentation,
        config,
        runtime,
        folder,
        callbacks,
        display,
        multipliers,
    )
    display.say(overview(given, trainer.model, train, val, config))
    exports = _export_options(trainer.model, config)
    if runtime.is_chief:
        with trainer.normalization.out_of_sight():
            try_exports(trainer.model, config.exports, exports)
        display.say(disk_note(folder.path, trainer.variables, config))
    trainer.restore()
    state = trainer.run()
    metrics = trainer.finish()
    if runtime.is_chief:
        folder.clean()
        folder.write_metrics(metrics, state.best_epoch)
        save_samples(folder.samples, pictures(trainer.model, val, config.samples, config.size))
        folder.export(trainer.model, config.exports, exports)
        display.say(f"epoch {state.best_epoch} is the best, {metrics.headline}")
        for what, dataset in datasets.items():
            display.say(left_out(what, dataset))
    return FineTuneResult(
        trainer.model, metrics, state.history, state.best_epoch, folder.path, state.stopped
    )


def _changed_backend(folder: RunFolder) -> str | None:
    """What is to be said where a run goes on with another backend."""
    now = keras.backend.backend()
    before = folder.note_backend(now)
    if before is None:
        return None
    return (
        f"the run was on {before} and goes on with {now}: the same data, weights and optimizer, "
        "other random numbers in dropout, and other roundings"
    )


def _prepared(
    model: keras.Model,
    preprocessing: Preprocessing | None,
    size: tuple[int, int] | None,
    of_pixels: bool,
) -> keras.Model:
    """A model whose card holds how images are prepared, and will be saved.

    Images that are brought to a size for training are brought to it ever after. A classifier of
    one size crops its input from them.
    """
    own = preprocessing or card_of(model).preprocessing
    if size is not None and own is not None:
        takes = tuple(model.inputs[0].shape[1:3])
        cropped = not of_pixels and None not in takes and takes != size
        preprocessing = dataclasses.replace(own, size=size, crop=takes if cropped else own.crop)
    if preprocessing is None:
        return of_this_package(model)
    return with_card(model, preprocessing=preprocessing)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, an optimizer as what Keras makes it from."""
    optimizer = options.get("optimizer")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return dict(options)
    return {**options, "optimizer": keras.optimizers.serialize(optimizer)}


def _for_task(options: dict[str, Any], of_pixels: bool) -> dict[str, Any]:
    """The options, the best epoch judged by a figure that there is.

    Raises:
        ValueError: it is to be judged by another one.
    """
    figures = MONITORS if of_pixels else CLASS_MONITORS
    options = {"monitor": figures[0], **options}
    if options["monitor"] not in figures:
        raise ValueError(
            f"{quoted('monitor')} must be one of {', '.join(figures)} for "
            f"{'masks' if of_pixels else 'images with one label each'}. "
            f"Received: {options['monitor']!r}"
        )
    return options


def _export_options(model: keras.Model, config: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Options of exports: a Caffe network has a size, of which the training's comes nearest.

    Raises:
        ValueError: no size is known.
    """
    card, (image, *_) = card_of(model), model.inputs
    own = card.preprocessing
    known = (config.crop_size, config.size, *(() if own is None else (own.crop, own.size)))
    if "caffe" not in config.exports or None not in image.shape[1:3] or card.size is not None:
        return {}
    size = next((size for size in known if size is not None), None)
    if size is None:
        export = either("exports=('caffe', ...)", "--export caffe")
        raise ValueError(
            "a Caffe network has an input of one size, and this one takes any: train it with "
            f"{quoted('crop_size')} or {quoted('size')}, or leave the export out. "
            f"Received: {export}"
        )
    height, width = size
    return {"caffe": {"input_shapes": {image.name: (1, image.shape[-1], height, width)}}}
