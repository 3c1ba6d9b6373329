"""`keras-fcn train`: a network trained on a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import net_options, preparation_options, training_options
from keras_fcn.cli.data_options import add_label_arguments, load_split, require_usable
from keras_fcn.cli.loading import loader_for
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages

SUMMARY = (
    "Train a network on images with masks, or with one label each. A run that was stopped goes on "
    "from its last checkpoint when the same command is given again; the folder gets the model, the "
    "table of the classes, pictures and the history."
)
EXAMPLE = "keras-fcn train CamVid --model fcn8s --weights fcn8s-heavy-pascal -o runs/camvid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="the data set; a list, HDF5 file or LMDB")
    parser.add_argument(
        "masks", metavar="MASKS", nargs="?", help="for LMDB without labels: the database of masks"
    )
    parser.add_argument("--model", metavar="M", required=True, help=KINDS)
    parser.add_argument(
        "--weights", metavar="W", help="an .h5 of the converter, a .caffemodel, a published name"
    )
    parser.add_argument("-o", "--output", metavar="RUN", required=True, help="the run's folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="begin anew where RUN holds a run already"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"), outputs=True)
    data = parser.add_argument_group("data set")
    add_label_arguments(data)
    data.add_argument("--split", metavar="NAME", help="to train on; by default train")
    data.add_argument("--val-split", metavar="NAME", help="to validate on; by default val")
    data.add_argument("--val", metavar="DIR", help="validate on another folder, list or database")
    data.add_argument("--val-masks", metavar="MASKS", help="for LMDB: the masks of --val")
    data.add_argument(
        "--val-share",
        type=float,
        default=0.2,
        metavar="X",
        help="what part to validate on, where the data has no splits; by default %(default)g",
    )
    training_options.add_arguments(parser)
    preparation_options.add_arguments(parser, without=("labels", "size"))


def run(options: argparse.Namespace) -> None:
    """Train, print the table of the best epoch.

    Raises:
        CaffeError: a file is wrong, or the run's folder cannot be written.
        OSError: a folder or file cannot be read.
        ValueError: an option, a pair or the model does not suit, or training diverged.
    """
    train, val = (preparation_options.prepared_data(data, options) for data in _data(options))
    given = training_options.config(options)
    crop = given.get("crop_size") or given.get("size")
    load = preparation_options.prepared(
        loader_for(options, train, crop=crop, to_train=True), options, train, val
    )
    datasets = {"training": train, "validation": val}
    require_usable(datasets, given.get("on_bad_pair") == "skip", skip="--on-bad-pair skip")
    start_tensorflow(options.debug)
    from keras_fcn.training import fine_tune

    result = fine_tune(
        load,
        train,
        val,
        options.output,
        augmentation=training_options.augmentation(options, train.of_pixels),
        overwrite=options.overwrite,
        **given,
    )
    print(f"epoch {result.best_epoch}, the best, on {val.name}:")
    print(result.metrics)
    print(f"wrote {result.run_folder}")


def _data(options: argparse.Namespace) -> tuple[LabelledImages, LabelledImages]:
    """Data sets for training and validation."""
    from keras_fcn.datasets import splits

    there: dict[str, Any] = {
        "train": () if options.masks else splits(options.folder),
        "val": () if options.val is None or options.val_masks else splits(options.val),
    }
    split = options.split or ("train" if "train" in there["train"] else None)
    train = load_split(options, options.folder, options.masks, split)
    if options.val is not None:
        chosen = options.val_split or ("val" if "val" in there["val"] else None)
        return train, load_split(options, options.val, options.val_masks, chosen)
    if options.val_split is None and "val" not in there["train"]:
        return train.split(options.val_share)
    return train, load_split(options, options.folder, options.masks, options.val_split or "val")
