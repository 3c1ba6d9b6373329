"""`keras-fcn solve`: training from a solver.prototxt, as `caffe train`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import net_options
from keras_fcn.cli.startup import start_tensorflow

if TYPE_CHECKING:
    from keras_fcn.solver import Solver

SUMMARY = (
    "Train from Caffe's own files, as caffe train does: a solver, its nets and databases, "
    "snapshots that Caffe and this command resume, Caffe's log. Ctrl-C writes a snapshot and "
    "stops; SIGHUP writes one. The caffe tool's own spellings, such as -solver S -gpu 0, are taken."
)
EXAMPLE = "keras-fcn solve solver.prototxt --weights bvlc_reference_caffenet.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("solver", metavar="SOLVER", help="a solver.prototxt")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--weights",
        metavar="A,B",
        help="weights to begin with, by layer name: .caffemodel files, published names",
    )
    begin.add_argument("--snapshot", metavar="FILE", help="a .solverstate to go on from")
    parser.add_argument(
        "--iterations", type=_count, metavar="N", help="updates to make; by default up to max_iter"
    )
    net_options.add_state(parser)
    parser.add_argument(
        "--gpu",
        type=_gpus,
        default="0",
        metavar="0,1|all",
        help="GPUs that share each iteration, a batch for each; by default the device that is "
        "there, GPU or not",
    )
    parser.add_argument(
        "--data-from-start",
        action="store_true",
        help="with --snapshot: read data from the first record on, as Caffe does",
    )
    parser.add_argument(
        "--on-failed-snapshot",
        choices=("stop", "continue"),
        default="stop",
        help="when a snapshot cannot be written; by default %(default)s",
    )
    for name, what, effect in (("sigint", "Ctrl-C", "stop"), ("sighup", "SIGHUP", "snapshot")):
        parser.add_argument(
            f"--{name}-effect",
            choices=("stop", "snapshot", "none"),
            default=effect,
            help=f"what {what} does; by default %(default)s",
        )
    parser.add_argument("--skip-bad", action="store_true", help="leave out records that are bad")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="a folder for tables (.csv) and TensorBoard's files"
    )
    parser.add_argument("--quiet", action="store_true", help="show no log")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1 on, not {text}")
    return int(text)


def _gpus(text: str) -> str:
    if not text:  # as Caffe's own default
        return "0"
    if text != "all" and not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"takes numbers with commas between, or all, not {text}")
    return text


def run(options: argparse.Namespace) -> int:
    """Train.

    Returns:
        The exit status: 1 where the last snapshot that was due could not be written.

    Raises:
        CaffeError: a file is wrong or missing, or a loss is no number.
        OSError: a file cannot be read.
        ValueError: an option does not suit.
    """
    start_tensorflow(options.debug)
    from keras_fcn.caffe.words import parts
    from keras_fcn.solver import Solver
    from keras_fcn.solver.files import Files
    from keras_fcn.training.runtime.choice import strategy_on

    with Solver(
        options.solver,
        weights=parts(options.weights) if options.weights else None,
        snapshot=options.snapshot,
        data_from_start=options.data_from_start,
        level=options.level,
        stages=options.stage,
        on_failed_snapshot=options.on_failed_snapshot,
        skip_bad=options.skip_bad,
        output=options.output,
        strategy=strategy_on(options.gpu),
        verbose=not options.quiet,
    ) as solver:
        if options.iterations is not None:  # it ends in a snapshot
            Files(solver.definition).require_writable()
        wanted = {"SIGINT": options.sigint_effect, "SIGHUP": options.sighup_effect}
        handlers = _listen(solver, wanted)
        try:
            if options.iterations is None:
                solver.solve()
            else:
                solver.step(options.iterations)
                solver.snapshot()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    left_out = f", {solver.skipped} bad records left out" if solver.skipped else ""
    print(f"iteration {solver.iteration}, loss {solver.loss:.6g}{left_out}")
    if solver.lacks_snapshot:
        print("error: the last snapshot could not be written; see the log", file=sys.stderr)
    return int(solver.lacks_snapshot)


def _listen(solver: Solver, wanted: Mapping[str, str]) -> dict[int, Any]:
    """Let signals ask for a stop, for snapshots, or for nothing; the handlers before."""
    numbers = {
        getattr(signal, name): what for name, what in wanted.items() if hasattr(signal, name)
    }
    before: dict[int, Any] = {}
    for number, what in numbers.items():
        ask = (lambda *_: None) if what == "none" else lambda *_, what=what: solver.request(what)
        try:
            before[number] = signal.signal(number, ask)
        except ValueError:  # not the main thread, which alone takes signals
            break
    return before
