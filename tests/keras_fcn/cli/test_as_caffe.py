"""Command lines of the `caffe` tool, as scripts have them."""

from __future__ import annotations

import re

import pytest

from keras_fcn.cli import main
from keras_fcn.cli.as_caffe import translated
from keras_fcn.cli.commands import parser


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("solve -solver s.prototxt -weights a,b -gpu 0", "solve s.prototxt --weights a,b"),
        ("solve --solver=s.prototxt --gpu=0", "solve s.prototxt"),
        ("solve -solver s.prototxt -gpu=", "solve s.prototxt"),
        ("solve -gpu all -solver s.prototxt", "solve s.prototxt --gpu all"),
        (
            "solve -snapshot=x.solverstate -solver s -sighup_effect stop --sigint_effect=none",
            "solve s --snapshot x.solverstate --sighup-effect stop --sigint-effect none",
        ),
        ("solve s -level -1 -stage a,b", "solve s --level=-1 --stage a,b"),
        ("solve s --iterations 3 --quiet", "solve s --iterations 3 --quiet"),
        (
            "test -weights w -model m.prototxt -iterations 7 -gpu=0 -level 2",
            "test m.prototxt w -n 7 --level 2",
        ),
        ("test -weights w m.prototxt", "test m.prototxt w"),
        ("test --model m.prototxt --stage x w", "test m.prototxt w --stage x"),
        ("time -model m -iterations 3 -phase TEST", "time m -n 3 --phase TEST"),
        ("time --model=m --weights=w -n 3", "time m --weights w -n 3"),
    ],
)
def test_what_means_the_same_is_taken(theirs, ours):
    assert parser().parse_args(translated(theirs.split())) == parser().parse_args(ours.split())


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ("solve -solver s -iterations 10", "-iterations: .* here --iterations N makes N updates"),
        ("solve -solver s -model m", "-model: .* give the solver alone"),
        ("solve -solver", "-solver takes a value"),
        ("test -model m -weights w -phase TEST", "-phase: .* the phase is TEST"),
        ("time -model m -gpu 3", "-gpu 3: CUDA_VISIBLE_DEVICES=3"),
        ("test -model m -weights w -gpu 1,2", "-gpu 1,2: `caffe test` takes the first .*, 1;"),
        ("test -model m -snapshot x", "-snapshot: give the weights"),
        ("time -model m -sighup_effect stop", "-sighup_effect: only `caffe train`"),
        ("train --solver=s.prototxt", "--solver: .* keras-fcn solve SOLVER"),
    ],
)
def test_what_does_not_is_refused_in_one_line(theirs, told, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(theirs.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert re.search(told, line), line


def test_devices_are_numbers(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["solve", "-solver", "s", "-gpu", "0,x"])
    assert "--gpu: takes numbers with commas between, or all, not 0,x" in capsys.readouterr().err


def test_other_commands_and_words_are_left_alone():
    for words in ([], ["inspect", "-solver", "x"], ["solve", "-", "--", "-s", "---solver"]):
        assert translated(words) == words
