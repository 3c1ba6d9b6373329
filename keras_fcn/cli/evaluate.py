"""`keras-fcn evaluate`: how well a network labels or classifies a data set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from keras_fcn.cli import net_options, preparation_options
from keras_fcn.cli.data_options import add_label_arguments, load_split, require_usable
from keras_fcn.cli.loading import loader_for
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.loading.names import KINDS

SUMMARY = (
    "Measure a network on a data set. Of masks it prints intersection over union and accuracy of "
    "each class and their means, of every pixel of whole images, as segment labels them; of images "
    "with one label each accuracy and what is confused, as classify says them."
)
EXAMPLE = "keras-fcn evaluate CamVid --split val --model runs/camvid/model.keras"


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
    parser.add_argument("--split", help="by default val where there is one, else all pairs")
    parser.add_argument("--json", metavar="FILE", help="also write the table and the confusion")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=1,
        metavar="N",
        help="images at a time; by default %(default)s",
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out pairs that cannot be used"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"))
    add_label_arguments(parser.add_argument_group("data set"))
    preparation_options.add_arguments(parser, without=("labels",))


def run(options: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        CaffeError: a file is wrong, or the output cannot be written.
        OSError: a folder or file cannot be read.
        ValueError: an option, a pair or the model does not suit.
    """
    from keras_fcn.datasets import splits
    from keras_fcn.datasets.usable import left_out

    split = options.split
    if split is None and options.masks is None and "val" in splits(options.folder):
        split = "val"
    dataset = load_split(options, options.folder, options.masks, split)
    dataset = preparation_options.prepared_data(dataset, options)
    load = preparation_options.prepared(loader_for(options, dataset), options, dataset)
    require_usable({"validation": dataset}, options.skip_bad, skip="--skip-bad")
    start_tensorflow(options.debug)
    from keras_fcn.training import evaluate

    result = evaluate(
        load(),
        dataset,
        batch_size=options.batch_size,
        on_bad_pair="skip" if options.skip_bad else "stop",
        verbose=sys.stderr.isatty(),
    )
    skipped = f", {len(dataset.bad_pairs)} skipped" if dataset.bad_pairs else ""
    if dataset.bad_pairs:
        print(left_out("validation", dataset), file=sys.stderr)
    print(f"{dataset.name}: {len(dataset)} pairs{skipped}")
    print(result)
    if options.json is not None:
        from keras_fcn.caffe.io.files import atomic_write

        with atomic_write(Path(options.json)) as file:
            file.write(json.dumps(result.to_dict(), indent=2).encode() + b"\n")
        print(f"wrote {options.json}")
