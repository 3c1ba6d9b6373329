"""`keras-fcn convert`, which is `python -m convert` too."""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.cli import net_options, onnx_options, preparation_options
from keras_fcn.cli.guard import guarded
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.version import __version__

if TYPE_CHECKING:
    import keras

    from keras_fcn.caffe.conversion.report import ConversionReport

SUMMARY = (
    "Convert a Caffe network's weights to HDF5 that Keras loads by layer name, or it all to ONNX "
    "or ncnn. Needs no Caffe and, but for --code, the check of an ONNX or ncnn file and what is "
    "told of images and classes, no TensorFlow."
)

EXAMPLE = "keras-fcn convert deploy.prototxt net.caffemodel -o net.h5 --mean mean.binaryproto"

_FORMS = {".onnx": "onnx", ".param": "ncnn"}
"""Ending of a file that holds the network too -> its form."""
_PROGRESS_BYTES = 32 << 20
_UNEXPECTED_LENGTH = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "prototxt",
        nargs="?",
        help="the network's definition; without it the layers that the caffemodel carries are used",
    )
    parser.add_argument("caffemodel", help="the trained weights")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file to write; what it ends in tells the form: .onnx or .param (ncnn) for the "
        "whole network, .npz for an archive and .npy for a pickled dictionary of arrays by layer, "
        "else HDF5",
    )
    parser.add_argument("--list", action="store_true", help="print the layers and stop")
    parser.add_argument(
        "--code",
        metavar="PY",
        help="also write the network as Keras source, which loads the HDF5 file; without -o that "
        "lies beside it, PY with the ending .h5 (needs TensorFlow)",
    )
    parser.set_defaults(wrong=parser.error)
    parser.add_argument(
        "--fully-convolutional",
        action="store_true",
        help="store inner products as convolutions, named <layer>-conv",
    )
    net_options.add_arguments(parser, outputs=True)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="also where the caffemodel lacks layers of the prototxt that have weights",
    )
    parser.add_argument(
        "--rename",
        metavar="OLD=NEW",
        action="append",
        default=[],
        help="take the weights of the caffemodel's layer OLD for the layer NEW; may be repeated",
    )
    preparation_options.add_arguments(parser)
    onnx_options.add_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="print notes and errors only")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Convert, or list the layers, as the options say.

    Raises:
        CaffeError: see `convert.convert`.
    """
    rename = _renames(options.rename)
    _check_outputs(options)
    form = _form(options)
    onnx = onnx_options.given(options, form)
    checks = onnx.pop("check", bool(form))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaffeWarning)  # the notes say the same
        card = _card(options, rename)
        report = _list(options, rename) if options.list else _convert(options, rename, card, onnx)
        if (options.code or checks) and card is None:  # else it has started
            start_tensorflow(options.debug)
        if checks:
            _check(options, rename, form)
        text = _code(options, rename) if options.code else None
    if not options.quiet:
        print(report)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    if report.output and not options.quiet:
        print(f"wrote {report.output}")
    if text is not None:
        with atomic_write(options.code) as file:
            file.write(text.encode())
        if not options.quiet:
            print(f"wrote {options.code}")


def _check_outputs(options: argparse.Namespace) -> None:
    """End with a usage error where outputs are missing or do not go together.

    The HDF5 file lies beside the source by default.
    """
    if bool(options.list) == bool(options.output or options.code):
        options.wrong("one of -o and --code, or --list alone, is required")
    told = preparation_options.given(options)
    if told and (options.list or str(options.output).lower().endswith(".npy")):
        what = "--list writes nothing" if options.list else "a .npy dictionary holds weights alone"
        options.wrong(f"{what}, so {' '.join(told)} would be lost")
    if not options.code:
        return
    if Path(options.code).suffix != ".py":
        options.wrong(f"--code names a file that ends in .py, not {options.code}")
    options.output = options.output or str(Path(options.code).with_suffix(".h5"))
    if Path(options.output).suffix.lower() in (".npz", ".npy", *_FORMS):
        options.wrong(f"the source that --code writes loads an HDF5 file, not {options.output}")


def _card(options: argparse.Namespace, rename: dict[str, str]) -> str | None:
    """What is told of images and classes, as text for the file.

    None where that is no more than a mean's file, which lies beside the weights.
    """
    told = preparation_options.given(options)
    if not told or (told == ["--mean"] and _mean_file(options) and not _form(options)):
        return None
    load = preparation_options.prepared(lambda: _model(options, rename), options, needed=False)
    with redirect_stderr(io.StringIO()) if options.quiet else nullcontext():
        start_tensorflow(options.debug)
        from keras_fcn.core.card import card_of
        from keras_fcn.core.stored_cards import card_text

        return card_text(card_of(_cast(options, load())))


def _code(options: argparse.Namespace, rename: dict[str, str]) -> str:
    """The network's source; it is built with its weights, so that what does not fit is told."""
    import keras_fcn

    model = _cast(options, _model(options, rename))
    shapes = {} if options.fully_convolutional else net_options.given(options).get("input_shapes")
    return keras_fcn.to_code(model, input_shapes=shapes or {})


def _model(options: argparse.Namespace, rename: dict[str, str]) -> keras.Model:
    import keras_fcn

    net = net_options.given(options)
    return keras_fcn.from_caffe(options.prototxt, options.caffemodel, rename=rename, **net)


def _cast(options: argparse.Namespace, model: keras.Model) -> keras.Model:
    import keras_fcn

    return keras_fcn.to_fully_convolutional(model) if options.fully_convolutional else model


def _mean_file(options: argparse.Namespace) -> str | None:
    """The mean, where it is a file: that lies beside the weights, for any reader."""
    if options.mean is None:
        return None
    from keras_fcn.preprocessing.told_means import is_file

    return options.mean if is_file(options.mean) else None


def _list(options: argparse.Namespace, rename: dict[str, str]) -> ConversionReport:
    from keras_fcn.caffe.conversion.convert import list_layers

    net = net_options.given(options)
    return list_layers(options.caffemodel, options.prototxt, rename=rename, **net)


def _form(options: argparse.Namespace) -> str:
    """The form of a file that holds the network too; empty where it holds weights alone."""
    return _FORMS.get(Path(options.output or "").suffix.lower(), "")


def _check(options: argparse.Namespace, rename: dict[str, str], form: str) -> None:
    """Compare a written file with the network in Keras.

    Raises:
        CaffeError: the numbers differ; the file is removed.
    """
    from importlib import import_module

    how = {}
    if form == "onnx":
        how = {"channels_last": options.layout == "channels_last", "custom": options.custom}
    if not import_module(f"keras_fcn.caffe.{form}.running").can_run():
        package = {"onnx": "onnxruntime", "ncnn": "ncnn"}[form]
        print(f"note: not compared with the network: pip install {package}", file=sys.stderr)
        return
    with redirect_stderr(io.StringIO()) if options.quiet else nullcontext():
        from keras_fcn.exporting.comparing import shapes_of

        model = _model(options, rename)
        check = import_module(f"keras_fcn.exporting.{form}_check").check_written
        # A cast model knows no more what it was read with.
        check(options.output, _cast(options, model), shapes_of(model), **how)


def _convert(
    options: argparse.Namespace, rename: dict[str, str], card: str | None, onnx: Mapping[str, Any]
) -> ConversionReport:
    with SourceFile(options.caffemodel) as caffemodel:
        # The hash takes as long as all the rest: it starts before numpy is imported.
        caffemodel.hash_ahead()
        from keras_fcn.caffe.conversion.convert import convert

        return convert(
            options.prototxt,
            caffemodel,
            options.output,
            mean=None if _form(options) else _mean_file(options),
            card=card,
            fully_convolutional=options.fully_convolutional,
            rename=rename,
            partial=options.partial,
            **onnx,
            **net_options.given(options),
            progress=None if options.quiet else _progress,
        )


def _renames(pairs: Sequence[str]) -> dict[str, str]:
    """`old=new` words as a mapping; a name may hold `=` only as the new one."""
    for pair in pairs:
        if "" in pair.partition("="):
            raise ValueError(f"--rename takes OLD=NEW. Received: {pair}")
    return dict(pair.split("=", 1) for pair in pairs)


def _progress(done: int, total: int) -> None:
    if total < _PROGRESS_BYTES or not sys.stderr.isatty():
        return
    end = "\n" if done == total else ""
    print(f"\rwriting {done >> 20} of {total >> 20} MB", end=end, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m convert", description=SUMMARY)
    parser.add_argument("--version", action="version", version=f"keras-fcn {__version__}")
    add_arguments(parser)
    return guarded(run, parser.parse_intermixed_args(arguments))
