"""HDF5 files made to do harm: links out of the file, sizes that are not there, endless loops."""

from __future__ import annotations

import resource
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.hdf5_input import open_file
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile

A = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.h5"


def keras_file(path: Path, add: Callable[[h5py.Group], object], weights: tuple[str, ...] = ("w",)):
    """A weights file of one layer, to whose group ``add`` gives the weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [name.encode() for name in weights]
        add(group)


def refused(path: Path, message: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(WeightsError, match=message) as caught, WeightsFile(path) as file:
        file["a"]
    assert str(path) in str(caught.value)
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


LINKS = {
    "external": lambda other: h5py.ExternalLink(other, "/secret"),
    "soft": lambda other: h5py.SoftLink("/secret"),
    "to itself": lambda other: h5py.SoftLink("/a/w"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_are_not_followed(path, tmp_path, kind):
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = A
    keras_file(path, lambda group: group.__setitem__("w", LINKS[kind](other)))
    with h5py.File(path, "r+") as file:
        file["secret"] = A
    refused(path, "a/w is not stored in the file")


@pytest.mark.parametrize("name", ["a", "model_weights", "data"])
def test_groups_in_other_files_are_not_opened(path, tmp_path, name):
    other = str(tmp_path / "other.h5")
    keras_file(Path(other), lambda group: group.__setitem__("w", A))
    with h5py.File(path, "w") as file:
        if name == "a":
            file.attrs["layer_names"] = [b"a"]
        file[name] = h5py.ExternalLink(other, "/a" if name == "a" else "/")
    for read in (WeightsFile, open_weights):
        with pytest.raises(WeightsError), read(path):
            pass


def test_virtual_datasets_are_not_read(path, tmp_path):
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file["w"] = A
    layout = h5py.VirtualLayout(A.shape, A.dtype)
    layout[:] = h5py.VirtualSource(other, "w", A.shape)
    keras_file(path, lambda group: group.create_virtual_dataset("w", layout))
    refused(path, "a/w is not stored in the file")


def _undefined(group: h5py.Group, shape: tuple[int, ...], **options: object) -> None:
    group.create_dataset("w", shape, "f4", **options)


SIZES: dict[str, tuple[Callable[[h5py.Group], object], str]] = {
    "more than memory": (lambda g: _undefined(g, (1 << 40,)), "declares 4398046511104 bytes"),
    "never written": (lambda g: _undefined(g, (1000,)), "declares 4000 bytes, 0 are stored"),
    "chunks never written": (
        lambda g: _undefined(g, (1000,), chunks=(10,)), "has chunks that are not stored",
    ),
    "a chunk larger than the values": (
        lambda g: _undefined(g, (10,), chunks=(1 << 29,), maxshape=(None,)), "declares 2147483648",
    ),
    "zeros that inflate": (
        lambda g: g.create_dataset("w", data=np.zeros(40 << 20, np.int8), chunks=(1 << 20,),
                                   compression="gzip"),
        "declares 41943040 bytes of values; a file of its size may have",
    ),
    "no values": (lambda g: g.create_dataset("w", data=h5py.Empty("f4")), "holds no values"),
    "another filter": (
        lambda g: g.create_dataset("w", data=A, compression="lzf"), "another way than gzip",
    ),
    "texts": (lambda g: g.create_dataset("w", data=[b"a", b"b"]), "not real numbers"),
    "objects": (
        lambda g: g.create_dataset("w", data=[g.ref], dtype=h5py.ref_dtype), "not real numbers",
    ),
    "texts of any length": (
        lambda g: g.create_dataset("w", data=["a"], dtype=h5py.string_dtype()), "not real numbers",
    ),
    "a group": (lambda g: g.create_group("w"), "a/w is not stored in the file"),
}  # fmt: skip


@pytest.mark.parametrize("case", SIZES)
def test_declared_sizes_are_not_believed(path, case):
    add, message = SIZES[case]
    keras_file(path, add)
    refused(path, message)


@pytest.mark.slow
@pytest.mark.parametrize("inside", [1 << 28, 100])
def test_chunk_that_inflates_to_another_size(path, inside):
    def add(group: h5py.Group) -> None:
        dataset = group.create_dataset("w", (1000,), "i1", chunks=(1000,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(inside)))

    keras_file(path, add)
    refused(path, "has a chunk that does not give its 1000 bytes")


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"fletcher32": True}])
def test_sound_compressed_files_are_read(path, options):
    noise = np.random.default_rng(0).standard_normal((70, 70))
    keras_file(
        path,
        lambda g: g.create_dataset("w", data=noise, chunks=(32, 9), compression="gzip", **options),
    )
    with WeightsFile(path) as file:
        np.testing.assert_array_equal(file["a"][0], noise)


def test_chunks_that_compression_made_no_smaller_are_read(path):
    """HDF5 stores them as they are, and says so in the chunk's filter mask."""
    noise = np.random.default_rng(0).integers(0, 255, 40, np.uint8)

    def add(group: h5py.Group) -> None:
        dataset = group.create_dataset("w", (40,), "u1", chunks=(40,), compression="gzip")
        dataset.id.write_direct_chunk((0,), noise.tobytes(), filter_mask=1)

    keras_file(path, add)
    with WeightsFile(path) as file:
        np.testing.assert_array_equal(file["a"][0], noise)


def test_one_dataset_under_many_names_counts_as_often(path):
    names = tuple(f"w{index}" for index in range(100))

    def add(group: h5py.Group) -> None:
        group["w0"] = np.zeros(1 << 20, np.float32)
        for name in names[1:]:
            group[name] = group["w0"]

    keras_file(path, add, names)
    refused(path, r"declares \d+ bytes of values; a file of its size may have")


def test_a_name_that_is_listed_twice(path):
    keras_file(path, lambda group: group.__setitem__("w", A), ("w", "w"))
    refused(path, "a/w is listed twice")
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = [b"a", b"a"]
    refused(path, "lists a layer twice")


def test_groups_in_circles(path):
    """From group to group by two links each, thirty deep, and back to the first."""
    with h5py.File(path, "w") as file:
        group = first = file.create_group("data")
        for _ in range(30):
            inner = group.create_group("x")
            group["y"] = inner
            group = inner
        group["0"] = A
        group["x"] = first
    began = time.process_time()
    model = convert.load_weights(path)
    assert [blob.shape for blobs in model.values() for blob in blobs] == [A.shape]
    assert time.process_time() - began < 1


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_texts_and_attributes(path, libver):
    long = "x" * 70_000
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs.update(
            {"s": "é", "n": ["a", "bb", ""], "f": np.array([b"x", b"yy"]), "e": "", "i": 3}
        )
        ragged = np.empty(1, object)
        ragged[0] = np.arange(3)
        file.attrs.create("v", ragged, dtype=h5py.vlen_dtype(int))
        file.create_dataset("t", data=long, dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=np.bytes_(b"abc"))
    with open_file(path) as file:
        values = [file.attribute(file.root, name) for name in ("s", "n", "e", "i", "v", "none")]
        assert values == ["é", ["a", "bb", ""], "", 3, None, None]
        assert list(file.attribute(file.root, "f")) == [b"x", b"yy"]
        assert file.text(file.member("t")) == long
        assert file.text(file.member("fixed")) == "abc"


def test_many_attributes_fill_more_than_one_header(path):
    with h5py.File(path, "w") as file:
        for index in range(300):
            file.attrs[f"name {index}"] = f"value {index}"
    with open_file(path) as file:
        assert file.attributes() == {f"name {i}": f"value {i}" for i in range(300)}


def test_names_out_of_the_group_lead_nowhere(path):
    keras_file(path, lambda group: group.__setitem__("w", A))
    with open_file(path) as file:
        assert file.member("a/w").shape == A.shape
        for name in ("/a/w", "a//w", "./a", "a/w/x", "a/../a", ""):
            assert file.member(name) is None
