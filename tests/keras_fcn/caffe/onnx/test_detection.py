"""Layers around boxes through onnxruntime against the Keras model of the same network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import assert_close
from tests.keras_fcn.builder import test_forks_detections as ssd
from tests.keras_fcn.builder import test_forks_rcnn as rcnn
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.caffe.onnx.cases import run, written


def compared(path: Path, *feeds: Mapping[str, np.ndarray], atol=1e-5) -> list[dict[str, np.ndarray]]:
    """Outputs of a network's file, all equal to those of the Keras model with the same numbers."""
    model = keras_fcn.from_caffe(path, seed=0)
    data = written(convert.load_network(path))
    found = []
    for fed in feeds:
        wanted = keras_fcn.blobs(model, fed)
        found.append(run(data, fed))
        for name, blob in found[-1].items():
            assert blob.shape == wanted[name].shape
            assert_close(blob, wanted[name], atol)
    return found


# ---- DetectionOutput --------------------------------------------------------------------


def detections(folder, settings, *feeds):
    shapes = {name: blob.shape for name, blob in feeds[0].items()}
    inner = {"nms_threshold", "top_k", "eta"}
    text = [f"{k}: {str(v).lower() if v in (True, False) else v}" for k, v in settings.items() if k not in inner]
    nms = [f"{k}: {v}" for k, v in settings.items() if k in inner]
    fields = f"num_classes: 3 {' '.join(text)} nms_param {{ {' '.join(nms)} }}"
    layer = f'type: "DetectionOutput" detection_output_param {{ {fields} }}'
    return [y["y"] for y in compared(net(folder, layer, **shapes), *feeds)]


PLAIN = {k: v for k, v in ssd.SETTINGS.items() if v.get("eta", 1) == 1}

@pytest.mark.parametrize("name", PLAIN)
def test_detection_output(name, tmp_path):
    s = PLAIN[name]
    fed = ssd.predictions(s.get("share_location", True))
    more = ssd.predictions(s.get("share_location", True), images=5)
    one = {**more, "loc": more["loc"][:1], "conf": more["conf"][:1]}
    none = {**more, "conf": more["conf"] * 0 - 5}
    print([x.shape for x in detections(tmp_path, s, fed, more, one, none)])


@pytest.mark.parametrize("case", rcnn.CASES)
def test_regions(case, tmp_path):
    text, shape, _ = rcnn.CASES[case]
    x = rcnn.normal(*shape)
    feeds = [{"x": x, "rois": rcnn.some_rois(count)} for count in (30, 1, 0)]
    compared(net(tmp_path, text, x=shape, rois=(7, 5)), *feeds)
