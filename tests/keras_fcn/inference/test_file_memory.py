"""The memory of a map from disk to disk is that of a tile, not of the image."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio

SCRIPT = """
import json, resource, sys
import keras, keras_fcn
from keras_fcn.surgery.cards import of_this_package

keras.utils.set_random_seed(0)
x = inputs = keras.Input((None, None, 3))
x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(x)
x = keras.layers.Conv2D(4, 3, activation="softmax")(x)
model = of_this_package(keras.Model(inputs, x))
peaks = []
for name in ("small", "large"):
    ways = {"tile": 800, "preprocessing": keras_fcn.Preprocessing()}
    found = keras_fcn.segment_file(model, f"{name}.tif", f"{name}_labels.tif", **ways)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(json.dumps([peaks, found.tiles, sum(found.counts)]))
"""
SIDE = 6000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts in KiB on Linux")
def test_peak(tmp_path):
    """An image of 108 MB takes less than that more than one of a hundredth of it."""
    rng = np.random.default_rng(0)
    tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "crs": "EPSG:32633"}
    place = {"transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name, side in (("small", 1000), ("large", SIDE)):
        sizes = {"height": side, "width": side, "count": 3, "dtype": "uint8"}
        path = tmp_path / f"{name}.tif"
        with rasterio.open(path, "w", driver="GTiff", **sizes, **tiled, **place) as file:
            for _, window in file.block_windows(1):
                shape = (3, window.height, window.width)
                file.write(rng.integers(0, 256, shape, np.uint8), window=window)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (before, after), tiles, count = json.loads(done.stdout.splitlines()[-1])
    assert tiles > 60
    assert count == SIDE * SIDE
    assert after - before < 100e6
