"""The campaign itself, behind the marker ``fuzz``, and what it must notice."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import pytest

from tests.fuzz.campaign import fuzz
from tests.fuzz.corpus import seeds
from tests.fuzz.mutations import mutate_message
from tests.fuzz.targets import TARGETS, make_input
from tests.golden import REPOSITORY


@pytest.mark.fuzz
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("target", TARGETS)
def test_no_file_does_worse_than_one_clear_error(target):
    result = fuzz(target, 100_000, seed=int(os.environ.get("KERAS_FCN_FUZZ_SEED", "0")))
    print(result)
    assert sum(result.counts.values()) + len(result.findings) >= 100_000
    assert not result.findings, [f"{f.index}: {f.problem}" for f in result.findings[:5]]


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_few_inputs(target):
    result = fuzz(target, 60)
    assert not result.findings, [f"{f.index}: {f.problem}" for f in result.findings]
    assert sum(result.counts.values()) == 60
    assert result.counts["refused"]


def test_an_input_can_be_made_again():
    for target in ("prototxt", "binaryproto"):
        inputs = [make_input(target, 0, index) for index in range(20)]
        assert inputs == [make_input(target, 0, index) for index in range(20)]
        assert inputs != [make_input(target, 1, index) for index in range(20)]
        assert len(set(inputs)) > 15


def test_messages_stay_messages():
    """Most inputs pass the outermost walk, or nothing behind it would be reached."""
    rng = Random(0)
    files = seeds("binaryproto")
    records = [mutate_message(rng, files[1], files[2]) for _ in range(200)]
    assert sum(1 for data in records if data != files[1]) > 150


DEEDS = {
    "refuses": ("raise WeightsError('no')", None),
    "another error": ("raise KeyError('x')", "KeyError"),
    "no message": ("raise WeightsError('')", "message of 0 characters"),
    "memory": ("np.ones(200 << 20, np.int8)", "MemoryError"),
    "memory, wrapped": (
        "raise WeightsError('cannot read: unable to allocate')", "too much memory",
    ),
    "time": ("while True: pass", "died"),
    "a crash": ("os.abort()", "died"),
}  # fmt: skip

_RUN = """
import os, sys
import numpy as np
from keras_fcn.caffe.errors import WeightsError
from tests.fuzz import targets, worker

worker.SECONDS = 0.2
folder, *deeds = sys.argv[1:]
for number, deed in enumerate(deeds):
    child = os.fork()  # each ends as it ends
    if not child:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}/{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        namespace = dict(globals())
        exec(f"def work(path):\\n    {deed}", namespace)
        targets.TARGETS["binaryproto"] = targets.Target(".binaryproto", (), namespace["work"])
        worker.check_files([f"{folder}/x.binaryproto"])
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What workers say that meet each of the deeds: exit status, stdout, stderr."""
    folder = tmp_path_factory.mktemp("deeds")
    (folder / "x.binaryproto").write_bytes(b"x")
    result = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder), *(code for code, _ in DEEDS.values())],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip
    codes = map(int, result.stdout.split())
    return {
        deed: (code, *((folder / f"{number}.{name}").read_text() for name in ("out", "err")))
        for number, (deed, code) in enumerate(zip(DEEDS, codes, strict=True))
    }


@pytest.mark.slow
@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_worker_notices(done, deed):
    (code, out, err), problem = done[deed], DEEDS[deed][1]
    if problem == "died":
        assert code < 0
        assert "work" in err
    else:
        assert (problem or "null") in out
