"""Files that once did worse than one clear error, and files made to do harm."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import convert
from keras_fcn.caffe import limits
from tests.fuzz.targets import TARGETS
from tests.golden import REPOSITORY

HOSTILE = REPOSITORY / "tests" / "data" / "hostile"
CHECK = "from tests.fuzz.worker import check_files; check_files({paths!r})"

# What each file of the folder gives: part of the message, or None where it is read.
FILES = {
    "attribute_name_length.h5": "as HDF5",
    "attribute_of_variable_length.h5": None,
    "attribute_name_not_utf8.h5": None,
    "concat_dim_beyond_int32.caffemodel": None,
    "data_ends_early.h5": "as HDF5",
    "datatype_version.h5": "as HDF5",
    "filter_fails.h5": "as HDF5",
    "heap_index.h5": "as HDF5",
    "heap_without_end.h5": "19 bytes are declared, 0 are stored",
    "interp_without_size.caffemodel": None,
    "map_of_no_channels.caffemodel": None,
    "more_blobs_than_weights.caffemodel": "cannot hold as many as 4 blobs",
    "name_of_20000_bytes.caffemodel": None,
    "proposal_of_one_axis.caffemodel": None,
    "prototxt_of_numbers.h5": "_prototxt is not one text",
    "shapes_not_json.h5": "as HDF5",
    "signaling_nan.caffemodel": None,
    "size_hidden_by_zero.caffemodel": "comes with 0 values",
    "text_not_utf8.caffemodel": "is not plain text",
    "text_of_gigabytes.h5": "bytes are declared",
    "text_not_utf8.h5": "'utf-8' codec can't decode",
    "thousands_of_axes.binaryproto": "more than 32 axes",
}


def checked(paths: list[Path]) -> dict[str, tuple[str, str | None]]:
    """Name -> message or "accepted", and what went wrong, of files read under the limits."""
    code = CHECK.format(paths=[str(path) for path in paths])
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip
    assert result.returncode == 0, f"died with {result.returncode}: {result.stderr[-1000:]}"
    return {name: (outcome, problem) for name, outcome, problem in json.loads(result.stdout)}


@pytest.mark.slow
def test_found_files():
    paths = sorted(HOSTILE.iterdir())
    assert [path.name for path in paths] == sorted(FILES)
    found = checked(paths)
    for path in paths:
        outcome, problem = found[path.name]
        assert problem is None, f"{path.name}: {problem}"
        wanted = FILES[path.name] or "accepted"
        assert wanted in outcome, f"{path.name}: {outcome}"


def net(layer: str, dims: str = "dim: 1 dim: 4 dim: 6 dim: 6") -> str:
    return (
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'
        f"layer {{ name: 'x' bottom: 'data' top: 'x' {layer} }}"
    )


TEXTS = {
    "nested": ("layer {" * 50_000, "expected a field name|has no field|messages in one another"),
    "unknown nested": ("a {" * 50_000, "messages in one another"),
    "lists": ("layer: [" * 50_000, "expected|message"),
    "a long number": (
        net("type: 'Pooling' pooling_param { pool: " + "9" * 100_000 + " }"),
        "cannot be",
    ),
    "an integer of many digits": (
        net("type: 'Tile' tile_param { tiles: " + "9" * 100_000 + " }"),
        "is outside",
    ),
    "many axes": (net("type: 'ReLU'", "dim: 1 " * 10_000), "10000 axes; Caffe allows 32"),
    "large axes": (net("type: 'ReLU'", "dim: 9223372036854775807 " * 32), "Caffe allows 2147"),
    "reshape to many axes": (
        net("type: 'Reshape' reshape_param { shape { " + "dim: 4294967296 " * 2000 + "} }"),
        "Reshape",
    ),
    "levels": (net("type: 'SPP' spp_param { pyramid_height: 4294967295 }"), "31 at most"),
    "tiles": (net("type: 'Tile' tile_param { tiles: 2147483647 }"), "Caffe allows 2147483647"),
    "displacements": (
        net("type: 'Correlation' bottom: 'data' correlation_param { kernel_size: 1 "
            "max_displacement: 4000000000 }"),
        "more than 127 times stride_2",
    ),
    "boxes": (
        net("type: 'PriorBox' bottom: 'data' prior_box_param { "
            + "min_size: 1 " * 5000 + "aspect_ratio: 2 " * 5000 + "}"),
        "5000 numbers; at most 200",
    ),
    "boxes of no size": (
        net("type: 'PriorBox' bottom: 'data' prior_box_param { min_size: nan }"), "above 0"
    ),
    "concat_dim": (net("type: 'Concat' concat_param { concat_dim: 4294967295 }"), "outside"),
    "names": (
        "layer { type: 'ReLU' bottom: '" + "a" * 100_000 + "' top: 'x' }",
        "characters left out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_texts(tmp_path, case):
    text, message = TEXTS[case]
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(convert.CaffeError, match=message) as caught:
        convert.load_network(path)
    assert time.process_time() - began < 2
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 6000


def test_more_layers_than_any_network_has(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("layer {}" * (limits.MAX_LAYERS + 1))
    with pytest.raises(convert.CaffeError, match=f":1: more than {limits.MAX_LAYERS} layers"):
        convert.load_network(path)


def _layers(count: int, layer: str) -> str:
    """``{i}`` is the layer's number, ``{j}`` that of the layer before it."""
    lines = [layer.replace("{i}", str(i)).replace("{j}", str(i - 1)) for i in range(1, count + 1)]
    return net("type: 'ReLU'").replace("'x'", "'t0'") + "\n" + "\n".join(lines)


DEEP = {
    "convolutions": "layer { name: 'c{i}' type: 'Convolution' bottom: 't{j}' top: 't{i}' "
    "convolution_param { num_output: 2 kernel_size: 1 } }",
    "in place": "layer { name: 'r{i}' type: 'ReLU' bottom: 't0' top: 't0' }",
    "one name": "layer { name: 'a/b' type: 'ReLU' bottom: 't{j}' top: 't{i}' }",
    "fan out": "layer { name: 'i{i}' type: 'InnerProduct' bottom: 't0' top: 't{i}' "
    "inner_product_param { num_output: 1 } }",
    "splits": "layer { name: 's{i}' type: 'Split' bottom: 't{j}' top: 't{i}' top: 'u{i}' }",
}


@pytest.fixture
def uncollected():
    """No garbage collection, which takes as long as all that other tests left in memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("kind", DEEP)
def test_ten_times_the_layers_take_about_ten_times_as_long(tmp_path, kind):
    path = tmp_path / "net.prototxt"
    seconds = {}
    for count in (300, 3000):
        path.write_text(_layers(count, DEEP[kind]))
        began = time.process_time()
        assert len(convert.load_network(path).layers) == count + 2
        seconds[count] = time.process_time() - began
    assert seconds[3000] < 30 * seconds[300] + 0.2


@pytest.mark.slow
def test_ten_thousand_layers(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(_layers(10_000, DEEP["convolutions"]))
    assert len(convert.load_network(path).layers) == 10_002


def test_many_tops_of_one_layer(tmp_path):
    path = tmp_path / "net.prototxt"
    tops = " ".join(f"top: 't{index}'" for index in range(20_000))
    path.write_text(
        f"layer {{ name: 'd' type: 'Input' {tops} input_param {{ shape {{ dim: 1 }} }} }}"
    )
    began = time.process_time()
    assert len(convert.load_network(path).inputs) == 20_000
    assert time.process_time() - began < 4


@pytest.mark.slow
def test_in_place_on_memory_that_many_blobs_share(tmp_path):
    path = tmp_path / "net.prototxt"
    splits = _layers(2000, DEEP["splits"])
    relus = "\n".join(
        f"layer {{ name: 'r{i}' type: 'ReLU' bottom: 'u{i}' top: 'u{i}' }}" for i in range(1, 1000)
    )
    path.write_text(f"{splits}\n{relus}")
    with pytest.raises(convert.CaffeError, match="more than 200000 tops"):
        convert.load_network(path)


# What a network may need


def wide(outputs: int) -> str:
    return net(f"type: 'InnerProduct' inner_product_param {{ num_output: {outputs} }}")


def test_memory_is_told_before_it_is_needed(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(wide(1000))
    weights, blobs = 4 * (1000 * 144 + 1000), 4 * (144 + 1000)
    message = rf"{weights} bytes\) of weights and .*{blobs} bytes\) of blobs for one image"
    with pytest.raises(convert.NetworkError, match=message) as caught:
        convert.load_network(path, max_bytes=weights + blobs - 1)
    assert str(path) in str(caught.value)
    assert "max_bytes=" in str(caught.value)
    assert convert.load_network(path, max_bytes=weights + blobs).layers


def test_memory_is_bounded_unless_told(tmp_path):
    path = tmp_path / "net.prototxt"
    more = wide(14_900_000).splitlines()[1].replace("'x'", "'y'")
    path.write_text(f"{wide(14_900_000)}\n{more}")
    with pytest.raises(convert.NetworkError, match="more than 16 GiB"):
        convert.load_network(path)
    assert convert.load_network(path, max_bytes=None).layers


@pytest.mark.parametrize(
    ("batch", "layer", "blobs"),
    [
        (64, "type: 'ReLU'", 2 * 144),
        (64, "type: 'Tile' tile_param { axis: 0 tiles: 100 }", 101 * 144),
        (1, "type: 'Pooling' pooling_param { kernel_size: 2 stride: 2 }", 144 + 36),
    ],
)
def test_blobs_count_for_one_image(tmp_path, batch, layer, blobs):
    path = tmp_path / "net.prototxt"
    path.write_text(net(layer, f"dim: {batch} dim: 4 dim: 6 dim: 6"))
    assert convert.load_network(path, max_bytes=4 * blobs).layers
    with pytest.raises(convert.NetworkError, match=f"{4 * blobs} bytes"):
        convert.load_network(path, max_bytes=4 * blobs - 1)


# Nothing is evaluated, imported or opened


def test_nothing_that_a_file_names_is_run_or_read(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "net.prototxt"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # opening it would wait for ever
    path.write_text(
        f"""layer {{ name: "data" type: "Data" top: "data" top: "label"
          data_param {{ source: "{fifo}" batch_size: 1 }}
          transform_param {{ mean_file: "{fifo}" crop_size: 8 force_color: true }} }}
        layer {{ name: "h5" type: "HDF5Data" top: "y" hdf5_data_param {{ source: "{fifo}" }} }}
        layer {{ name: "p" type: "Python" bottom: "data" top: "p" python_param {{
          module: "evil" layer: "Evil" param_str: "__import__('os').system('touch made')" }} }}"""
    )
    began = time.process_time()
    for phase in ("TEST", "TRAIN"):
        assert len(convert.load_network(path, phase).layers) == 3
    assert time.process_time() - began < 2
    assert not (tmp_path / "made").exists()
    assert "evil" not in sys.modules


def test_pickled_mean_is_not_unpickled(tmp_path):
    import pickle

    import numpy as np

    from keras_fcn.caffe.blobs.means import read_mean

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    path = tmp_path / "mean.npy"
    np.save(path, np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(convert.CaffeError, match=r"mean\.npy"):
        read_mean(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(convert.CaffeError, match=r"mean\.npy"):
        read_mean(path)
    assert not (tmp_path / "made").exists()


def test_every_kind_of_file_is_fuzzed():
    assert {target.suffix for target in TARGETS.values()} >= {
        path.suffix for path in HOSTILE.iterdir()
    }
