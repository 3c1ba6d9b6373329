"""Weights of more than 2 GB, and the memory that reading and converting them takes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.io import wire
from tests.keras_fcn.caffe import writer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
MOST = 100 << 20  # bytes, beyond the blobs
_FIELDS = {"f4": 5, "f8": 8, "f2": 12}

CONVERTS = """
import json, sys
from keras_fcn.caffe.conversion import convert as conversion

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))

before = anonymous()
peak = before
def progress(done, total):
    global peak
    peak = max(peak, anonymous())
conversion.convert(None, sys.argv[1], sys.argv[2], progress=progress)
print(json.dumps(peak - before))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()


def write_sparse(path: Path, shapes: dict[str, tuple[int, int]], kind: str = "f4") -> None:
    """Inner products without bias whose weights are zeros that take no disk, but for the last."""
    dtype = np.dtype(f"<{kind}")
    with path.open("wb") as file:
        file.write(writer.text("NetParameter", 'input: "data" input_dim: [1, 1, 1, 1]')
                   .SerializeToString())  # fmt: skip
        for name, shape in shapes.items():
            size = int(np.prod(shape)) * dtype.itemsize
            blob = writer.dims(shape) + (b"\x50\x02" if kind == "f2" else b"")
            blob += wire.header(_FIELDS[kind], size)
            head = writer.layer(
                f'name: "{name}" type: "InnerProduct" bottom: "data" top: "{name}" '
                f"inner_product_param {{ num_output: {shape[0]} bias_term: false axis: 3 }}",
                [],
            )
            head += wire.header(7, len(blob) + size) + blob
            file.write(wire.header(100, len(head) + size) + head)
            file.seek(size - dtype.itemsize, 1)
            file.write(np.ones(1, dtype).tobytes())


def converted(path: Path, output: Path) -> int:
    """Convert in a process of its own; the memory it took, in bytes."""
    result = subprocess.run(
        [sys.executable, "-c", CONVERTS, str(path), str(output)],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("f4", {"a": (22_000, 25_000), "b": (3, 5), "c": (1000, 300)}),
        ("f8", {"a": (11_000, 25_000), "b": (3, 5)}),
        ("f2", {"a": (22_000, 10_000), "b": (3, 5)}),
    ],
)
def test_memory_of_a_conversion(folder, kind, shapes):
    path, output = folder / "net.caffemodel", folder / "net.h5"
    write_sparse(path, shapes, kind)
    assert path.stat().st_size > (1 << 31 if kind != "f2" else 1 << 28)
    assert path.stat().st_blocks * 512 < 1 << 20
    model = convert.load_weights(path)
    assert list(model) == list(shapes)
    assert model["b"][0].tolist() == [[0] * 5, [0] * 5, [0] * 4 + [1]]
    assert converted(path, output) < MOST
    with h5py.File(output) as file:
        for name, shape in shapes.items():
            kernel = file[f"{name}/kernel"]
            assert kernel.shape == shape[::-1]
            assert kernel[-1, -1] == 1
            assert not kernel[:, 0].any()


def test_gzip_goes_to_the_disk_and_not_to_memory(folder):
    """Random numbers, which no program can compress."""
    numbers = np.random.default_rng(0).integers(0, 1 << 30, 50 << 20, np.int32).view(np.float32)
    path = folder / "net.caffemodel.gz"
    head = 'name: "a" type: "InnerProduct" inner_product_param { num_output: 1024 }'
    blob = writer.dims((1024, 50 << 10)) + wire.header(5, numbers.nbytes)
    layer = writer.layer(head, []) + wire.header(7, len(blob) + numbers.nbytes) + blob
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(wire.header(100, len(layer) + numbers.nbytes) + layer)
        file.write(numbers.data)
    code = f"""
import convert, keras_fcn.caffe.blobs.caffemodel, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = convert.load_weights({str(path)!r})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
assert model["a"][0][0, :3].tolist() == {numbers[:3].tolist()!r}
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert int(result.stdout) < 16 << 20
