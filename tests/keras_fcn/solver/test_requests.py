"""What is asked of a solver, wrongly or while it tests, and what a run that lacked things says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.cli import main
from keras_fcn.solver import Solver, score_net, time_net
from tests.keras_fcn.solver.test_going_on import NET, feed, folder, solver_of  # noqa: F401

TESTS = "test_iter: 1000000 test_interval: 2 test_initialization: false max_iter: 4"


def asking(solver, at, what):
    """Batches of the test net, one of which asks."""
    for number, batch in enumerate(feed()):
        if number == at:
            solver[0].request(what)
        assert number < 100, "the request came to nothing"
        yield batch


def test_a_stop_interrupts_a_test_and_the_run(folder, capsys):  # noqa: F811
    held = []
    solver = solver_of(folder, TESTS, test_feeds=[asking(held, 3, "stop")], verbose=True)
    held.append(solver)
    solver.solve()
    assert solver.iteration == 2
    assert (folder / "snap_iter_2.solverstate").exists()
    log = capsys.readouterr().err
    assert "] Test interrupted." in log
    assert log.splitlines()[-1].endswith("] Optimization stopped early.")
    assert "Test net output" not in log


def test_a_snapshot_is_written_within_a_test(folder):  # noqa: F811
    held = []
    more = TESTS.replace("1000000", "5")
    solver = solver_of(folder, more, test_feeds=[asking(held, 1, "snapshot")])
    held.append(solver)
    solver.step(3)
    assert solver.iteration == 3
    assert (folder / "snap_iter_2.solverstate").exists()


def test_a_test_of_its_own_is_interrupted_and_not_by_an_old_request(folder):  # noqa: F811
    held = []
    more = TESTS.replace("1000000", "5")
    solver = solver_of(folder, more, test_feeds=[asking(held, 7, "stop")])
    held.append(solver)
    solver.request("stop")
    assert len(solver.test()) == 1
    assert solver.test() == []


@pytest.mark.parametrize(
    ("count", "error"),
    [(-1, ValueError), (2.5, TypeError), ("2", TypeError), (None, TypeError)],
)
def test_a_count_of_steps_that_is_none_is_refused(folder, count, error):  # noqa: F811
    solver = solver_of(folder)
    with pytest.raises(error, match=r"`count` must be .*Received"):
        solver.step(count)
    solver.step(np.int64(1))
    solver.step(0)
    assert solver.iteration == 1


@pytest.mark.parametrize("run", [score_net, time_net])
@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (2.5, TypeError)])
def test_a_count_of_batches_that_is_none_is_refused(folder, run, count, error):  # noqa: F811
    files = ["net.prototxt", "snap.caffemodel"]
    with pytest.raises(error, match=r"`iterations` must be .*Received"):
        run(*files, count)


def test_what_is_no_strategy_is_refused_and_the_default_is_one_device(folder):  # noqa: F811
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(TypeError, match=r"strategy= takes .*Received: 'all'"):
        solver_of(folder, strategy="all")
    solver = solver_of(folder, strategy=tf.distribute.get_strategy())
    solver.step(1)
    plain = solver_of(folder)
    plain.step(1)
    np.testing.assert_array_equal(solver.params["fc"][0].data, plain.params["fc"][0].data)


RATES = [
    ('lr_policy: "step" gamma: 0.5\nstepsize: 0', r":\d+: stepsize: must be at least 1 .*not 0"),
    ('lr_policy: "step" gamma: 0.5', r"lr_policy: 'step' needs stepsize, which is not given"),
    ('lr_policy: "step" gamma: -0.5 stepsize: 2', r"gamma: must be at least 0 .*'step', not -0.5"),
    ('lr_policy: "sigmoid" gamma: 0.5 stepsize: -3', r"stepsize: must be at least 1 .*not -3"),
    ('lr_policy: "sigmoid" gamma: -0.5 stepsize: 3', r"gamma: must be at least 0 .*'sigmoid'"),
    ('lr_policy: "exp" gamma: -0.1', r"gamma: must be at least 0 for lr_policy 'exp', not -0.1"),
    ('lr_policy: "inv" gamma: -0.1 power: 1', r"gamma: must be at least 0 for lr_policy 'inv'"),
    ('lr_policy: "multistep" gamma: -1 stepvalue: 3', r"gamma: must be .*'multistep', not -1"),
    ('lr_policy: "multistep" gamma: 1', r"'multistep' needs stepvalue, which is not given"),
    ('lr_policy: "poly" power: -1', r"power: must be at least 0 for lr_policy 'poly', not -1"),
    ('lr_policy: "poly" max_iter: 0', r"max_iter: must be at least 1 for lr_policy 'poly', not 0"),
    ("base_lr: inf", r"base_lr: must be a finite number, not inf"),
    ('lr_policy: "exp" gamma: nan', r"gamma: must be a finite number, not nan"),
    ("momentum: nan", r"momentum: must be a finite number, not nan"),
]


@pytest.mark.parametrize(("more", "message"), RATES)
def test_rates_that_caffe_stops_at_are_refused(folder, more, message):  # noqa: F811
    with pytest.raises(CaffeError, match=message) as caught:
        solver_of(folder, more)
    assert "--" not in str(caught.value)
    assert "{" not in str(caught.value)


def test_a_gamma_of_0_is_caffes(folder):  # noqa: F811
    solver = solver_of(folder, 'lr_policy: "step" stepsize: 1')
    solver.step(1)
    assert solver.learning_rate == 0


def test_several_solvers_in_a_process_do_not_warn_of_tracing(folder, caplog):  # noqa: F811
    pytest.importorskip("tensorflow")
    for _ in range(6):
        solver_of(folder).step(1)
    assert "retracing" not in caplog.text


# Records that are left out


IMAGES = """name: "n"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "list.txt" batch_size: 2 new_height: 2 new_width: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


@pytest.fixture
def images(folder):  # noqa: F811
    (folder / "net.prototxt").write_text(IMAGES)
    for name in "ab":
        Image.new("RGB", (2, 2)).save(folder / f"{name}.png")
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "list.txt").write_text("a.png 0\nbad.png 1\nb.png 2\n")
    return folder


def test_what_is_left_out_is_told_once_and_counted(images, capsys):
    solver_of(images, feed=None)
    assert main(["solve", "solver.prototxt", "--skip-bad"]) == 0
    shown = capsys.readouterr()
    told = [x for x in shown.err.splitlines() if "bad.png" in x]
    assert len(told) == 1
    assert told[0].startswith("W")
    assert "left out: net.prototxt" in told[0]
    assert "] Left out 4 records that cannot be read" in shown.err.splitlines()[-3]
    assert shown.out.rstrip().endswith(", 4 bad records left out")
    weights = "snap_iter_4.caffemodel"
    assert main(["test", "net.prototxt", weights, "-n", "3", "--skip-bad"]) == 0
    log = capsys.readouterr().err
    assert log.count("bad.png") == 1
    assert "] Left out 3 records that cannot be read" in log


def test_what_is_left_out_is_a_warning_where_no_log_is_shown(images):
    solver = solver_of(images, feed=None, skip_bad=True)
    with pytest.warns(CaffeWarning, match=r"left out: .*bad.png") as found:
        solver.step(3)
    assert len([x for x in found if x.category is CaffeWarning]) == 1
    assert solver.skipped == 3
    solver.snapshot()
    with pytest.warns(CaffeWarning) as found:
        score_net("net.prototxt", "snap_iter_3.caffemodel", 2, skip_bad=True, verbose=False)
    assert [str(x.message).partition(" ")[0] for x in found if x.category is CaffeWarning] == [
        "left",
        "Left",
    ]
    (images / "list.txt").write_text("a.png 0\nb.png 2\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaffeWarning)
        solver_of(images, feed=None, skip_bad=True).step(3)


# Snapshots that cannot be written


@pytest.fixture
def fed(folder):  # noqa: F811
    """A net that the command line can feed."""
    text = NET.replace("Input", "DummyData").replace("input", "dummy_data")
    (folder / "net.prototxt").write_text(text)
    solver_of(folder, "snapshot: 2", feed=None)
    return folder


def test_a_run_without_its_last_snapshot_says_so_and_fails(fed, capsys):
    for name in "2", "4":
        (fed / f"snap_iter_{name}.solverstate").mkdir()
    assert main(["solve", "solver.prototxt", "--on-failed-snapshot", "continue"]) == 1
    log = capsys.readouterr().err.splitlines()
    assert any("snapshots that could not be written: 2; the last one is none" in x for x in log)
    assert log[-1] == "error: the last snapshot could not be written; see the log"


def test_a_run_with_its_last_snapshot_tells_of_those_before(fed, capsys):
    (fed / "snap_iter_2.solverstate").mkdir()
    assert main(["solve", "solver.prototxt", "--on-failed-snapshot", "continue"]) == 0
    log = capsys.readouterr().err
    assert "snapshots that could not be written: 1; the last one is snap_iter_4.solverstate" in log


def test_a_failed_snapshot_is_a_warning_where_no_log_is_shown(fed):
    (fed / "snap_iter_2.solverstate").mkdir()
    with Solver("solver.prototxt", on_failed_snapshot="continue", verbose=False) as solver:
        with pytest.warns(CaffeWarning, match=r"iteration 2: no snapshot"):
            solver.step(2)
        assert solver.lacks_snapshot
        solver.step(2)
        assert not solver.lacks_snapshot


def test_a_command_says_what_feeds_a_layer_that_reads_no_files(folder, capsys):  # noqa: F811
    solver_of(folder)
    assert main(["solve", "solver.prototxt", "--quiet"]) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert "keras_fcn.Solver(..., feed=batches)" in error
    assert "keras_fcn.register" in error
    with pytest.raises(CaffeError, match=r"give feed=, batches such as"):
        Solver("solver.prototxt", verbose=False)
