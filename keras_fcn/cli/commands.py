"""The commands of `keras-fcn` by their names, and its command line."""

from __future__ import annotations

import argparse
import sys
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.cli import (
    classify,
    clock,
    convert,
    dataset,
    detect,
    embed,
    evaluate,
    export,
    fetch,
    identify,
    inspect,
    keypoints,
    models,
    predict,
    sample,
    score,
    segment,
    serve,
    solve,
    train,
    verify,
)
from keras_fcn.cli.as_caffe import UnlikeCaffeError, translated
from keras_fcn.cli.guard import guarded, one_line
from keras_fcn.version import __version__

COMMANDS: Mapping[str, ModuleType] = {
    "convert": convert,
    "inspect": inspect,
    "predict": predict,
    "classify": classify,
    "segment": segment,
    "detect": detect,
    "keypoints": keypoints,
    "embed": embed,
    "serve": serve,
    "dataset": dataset,
    "train": train,
    "evaluate": evaluate,
    "solve": solve,
    "test": score,
    "time": clock,
    "export": export,
    "verify": verify,
    "models": models,
    "fetch": fetch,
    "identify": identify,
    "sample": sample,
}


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    result = argparse.ArgumentParser(
        prog="keras-fcn", description="Caffe networks as trainable Keras models."
    )
    result.add_argument("--version", action="version", version=f"keras-fcn {__version__}")
    commands = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.SUMMARY.partition(". ")[0].rstrip("."),
            description=textwrap.fill(module.SUMMARY, 79),
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, 1 after an error, 3 where pictures were left out as they may be, 130
        after Ctrl-C; those of `verify` are its own. A wrong command line exits with 2.
    """
    grammar = parser()
    try:
        options = grammar.parse_args(translated(sys.argv[1:] if arguments is None else arguments))
    except UnlikeCaffeError as error:
        grammar.exit(2, f"error: {error}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always", CaffeWarning)
        warnings.showwarning = _show_warning
        return guarded(options.run, options)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {one_line(message)}", file=sys.stderr)
