"""What OpenCV makes of the files, layer by layer: it may refuse one, but neither crash nor differ.

`KERAS_FCN_OPENCV` names a folder with another OpenCV than the installed one, as `pip install
--target` makes it.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from tests.golden import layer_case, layer_case_names
from tests.keras_fcn.caffe.onnx.cases import of_case, opencv_environment, run, written

_DRIVER = Path(__file__).with_name("by_opencv.py")
_REDUCED = "*reduction_*", "contrastive*", "grad_contrastive*"
_BATCH = "bn_batch_stats", "bn_layer_phase_train", "bn_train_phase", "grad_bn_train*"
_INFINITE = "bnll", "log_nonpositive", "power_nan", "pool_ave_k1s2_even", "pool_ave_k2s5_empty"
WRONG = {
    4: {
        "means of rows and of whole arrays": _REDUCED,
        "statistics of a batch of several images": _BATCH,
        "what is infinite, or no number": _INFINITE,
        "sums over losses": ("*sceloss_*",),
        "maxima with their places, read in part": ("pool_max_mask_top", "pool_max_ties"),
        "places of an Embed's rows": ("grad_embed",),
        "dilated transposed convolutions": ("deconv_dilation2",),
    },
    5: {
        "statistics of a batch of several images": _BATCH,
        "what is infinite, or no number": (*_INFINITE, "tanh"),
    },
}
"""OpenCV's version -> what it does wrong with files that mean the right thing."""
REFUSED = {4: 110, 5: 26}
"""OpenCV's version -> so many cases, at most, that it does not read."""


@cache
def _version() -> int:
    command = [sys.executable, "-c", "import cv2; print(cv2.__version__)"]
    environment = opencv_environment()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout.partition(".")[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*begins at zero states")
def test_layer_cases(tmp_path):
    wanted = {}
    for name in layer_case_names("*"):
        case = layer_case(name)
        folder = tmp_path / name
        sizes = {blob: array.shape for blob, array in case.inputs.items()}
        try:
            data = written(*of_case(case), fixed=sizes)
        except CaffeError:
            continue
        folder.mkdir()
        (folder / "net.onnx").write_bytes(data)
        np.savez(folder / "inputs.npz", **case.inputs)
        wanted[name] = run(data, case.inputs)
        (folder / "outputs.json").write_text(json.dumps(list(wanted[name])))
    assert len(wanted) > 560
    version = _version()
    subprocess.run(
        [sys.executable, _DRIVER, tmp_path], check=True, env=opencv_environment(), timeout=300
    )
    known = [pattern for patterns in WRONG[version].values() for pattern in patterns]
    refused, wrong = [], {}
    for name, outputs in wanted.items():
        if (tmp_path / name / "why.txt").exists():
            refused.append(name)
        elif why := _apart(tmp_path / name / "found.npz", outputs):
            wrong[name] = why
    others = {x: y for x, y in wrong.items() if not any(fnmatch.fnmatch(x, k) for k in known)}
    assert not others
    assert len(refused) <= REFUSED[version], refused
    assert all(fnmatch.filter(wrong, pattern) for pattern in known), "some are right by now"


def _apart(file: Path, wanted: dict[str, np.ndarray]) -> str:
    """How far outputs are from those of onnxruntime; empty where they agree."""
    if not file.exists():
        return "the process was killed"
    with np.load(file) as found:
        for name, array in wanted.items():
            if found[name].size != array.size:
                return f"{name}: shape {found[name].shape}, not {array.shape}"
            with np.errstate(invalid="ignore"):
                off = np.abs(found[name].reshape(array.shape) - array).max(initial=0)
            if not off <= 1e-4 * (np.abs(array).max(initial=0) or 1):
                return f"{name}: {off:g}"
    return ""
