"""Bad files and bad places: one clear error, from the function and from the command."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli.convert import main
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import (
    SHAPES,
    SMALL,
    Files,
    layers_of,
    random_blobs,
    write_files,
)

ROOT = Path(__file__).parents[3]
HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>"
OLD = b"the file that was here before"


def refused(files: Files, capsys: pytest.CaptureFixture[str], **options: Path | None) -> str:
    """The message of a conversion that must fail, the same from the function and the command."""
    prototxt = options.get("prototxt", files.prototxt)
    caffemodel = options.get("caffemodel", files.caffemodel)
    output = options.get("output", files.output)
    with pytest.raises(CaffeError) as caught:
        convert.convert(prototxt, caffemodel, output)
    message = str(caught.value)
    words = [prototxt, caffemodel, "-o", output] if prototxt else [caffemodel, "-o", output]
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert "\n" not in message
    assert not files.output.exists()
    assert sorted(path.suffix for path in files.output.parent.glob(".*")) == []
    return message


DAMAGES: dict[str, tuple[Callable[[Files], dict[str, bytes | None]], str]] = {
    "caffemodel missing": (
        lambda f: {"caffemodel": None},
        "cannot read {caffemodel}: No such file or directory",
    ),
    "caffemodel empty": (
        lambda f: {"caffemodel": b""},
        "{caffemodel} is empty; download or copy it again",
    ),
    "caffemodel cut short": (
        lambda f: {"caffemodel": f.caffemodel.read_bytes()[:-100]},
        "{caffemodel} is not a caffemodel, or is damaged or cut short (after layer 'drop', byte",
    ),
    "caffemodel is a web page": (
        lambda f: {"caffemodel": HTML},
        "{caffemodel} is a web page, not a weights file; the download link is dead",
    ),
    "caffemodel is a Git LFS pointer": (
        lambda f: {"caffemodel": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"},
        "{caffemodel} is a Git LFS pointer, not the file; fetch it with git lfs pull",
    ),
    "caffemodel is damaged gzip": (
        lambda f: {"caffemodel": b"\x1f\x8b\x08\x00" + bytes(20)},
        "{caffemodel} is gzip, and damaged or cut short: ",
    ),
    "caffemodel is noise": (
        lambda f: {"caffemodel": np.random.default_rng(0).bytes(5000)},
        "{caffemodel} is not a caffemodel, or is damaged or cut short",
    ),
    "caffemodel is zeros": (
        lambda f: {"caffemodel": bytes(5000)},
        "{caffemodel} is not a caffemodel, or is damaged or cut short",
    ),
    "caffemodel without layers": (
        lambda f: {"caffemodel": writer.net('name: "empty"', [])},
        "{caffemodel} holds no layers; is it a caffemodel?",
    ),
    "prototxt missing": (
        lambda f: {"prototxt": None},
        "cannot read {prototxt}: No such file or directory",
    ),
    "prototxt empty": (lambda f: {"prototxt": b"\n"}, "{prototxt} is empty"),
    "prototxt is a web page": (lambda f: {"prototxt": HTML}, "{prototxt} is a web page, not a"),
    "prototxt is JSON": (
        lambda f: {"prototxt": json.dumps({"layers": []}).encode()},
        "{prototxt} is JSON, not a prototxt",
    ),
    "prototxt is a caffemodel": (
        lambda f: {"prototxt": f.caffemodel.read_bytes()},
        "{prototxt} is a binary file, not a prototxt; is it the caffemodel?",
    ),
    "prototxt is a solver": (
        lambda f: {"prototxt": b'net: "train_val.prototxt"\nbase_lr: 0.01'},
        "{prototxt}:1: NetParameter has no field 'net'; this is a solver; give the network",
    ),
    "prototxt is another text": (
        lambda f: {"prototxt": b"# Read me\n\nThis network was trained on ImageNet."},
        "{prototxt}:3: NetParameter has no field 'This'",
    ),
    "prototxt cut short": (
        lambda f: {"prototxt": SMALL[: SMALL.index("}", SMALL.index("ip1"))].encode()},
        "{prototxt}:13: the file ends where a '}}' is missing",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(small, capsys, damage):
    make, message = DAMAGES[damage]
    for name, content in make(small).items():
        path = getattr(small, name)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    wanted = message.format(prototxt=small.prototxt, caffemodel=small.caffemodel)
    assert refused(small, capsys).startswith(wanted)
    if "caffemodel" in damage.split()[0]:
        assert refused(small, capsys, prototxt=None).startswith(wanted)


# The wrong file in a place


def test_folders(small, capsys, tmp_path):
    message = refused(small, capsys, caffemodel=tmp_path)
    assert message == f"cannot read {tmp_path}: Is a directory"
    message = refused(small, capsys, prototxt=tmp_path)
    assert message == f"cannot read {tmp_path}: Is a directory"


def test_swapped_files(small, capsys):
    message = refused(small, capsys, prototxt=small.caffemodel, caffemodel=small.prototxt)
    assert message == (
        f"{small.prototxt} is text, not a caffemodel; give the prototxt first, then the caffemodel"
    )


def test_converted_file_given_as_caffemodel(small, capsys, tmp_path):
    converted = tmp_path / "converted.h5"
    convert.convert(small.prototxt, small.caffemodel, converted)
    message = refused(small, capsys, caffemodel=converted)
    assert message.startswith(f"{converted} has no group 'data': it is not a .caffemodel.h5. If it")
    assert "keras_fcn.load_weights" in message
    assert "is a binary file" in refused(small, capsys, prototxt=converted)


def test_damaged_caffemodel_h5(small, capsys, tmp_path):
    path = tmp_path / "cut.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/conv1/0"] = np.zeros((4, 3, 3, 3), np.float32)
    path.write_bytes(path.read_bytes()[:1000])
    assert refused(small, capsys, caffemodel=path).startswith(f"cannot read {path} as HDF5")


def test_caffemodel_h5_alone_carries_no_network(small, capsys, tmp_path):
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/ip2/0"] = small.weights["ip2"][0]
    message = refused(small, capsys, prototxt=None, caffemodel=path)
    assert message == f"{path} holds weights only; give the prototxt as well"
    convert.convert(small.prototxt, path, small.output, partial=True)
    with h5py.File(small.output) as file:
        np.testing.assert_array_equal(file["ip2/kernel"], small.weights["ip2"][0].T)


# Weights of another network


def test_first_layer_that_does_not_fit_is_named_with_both_shapes(small, capsys):
    other = SHAPES | {"ip1": [(5, 100), (5,)], "ip2": [(9, 5)]}
    weights = {name: random_blobs(shapes) for name, shapes in other.items()}
    small.caffemodel.write_bytes(writer.net("", layers_of(SMALL, weights)))
    assert refused(small, capsys) == (
        f"{small.caffemodel}: layer 'ip1' (InnerProduct) holds blob 0 of shape (5, 100), the "
        "network needs (5, 72); the weights belong to another network"
    )


def test_no_layer_in_common(small, capsys):
    layer = writer.layer('name: "fc" type: "InnerProduct"', [writer.blob(np.ones((2, 2)))])
    small.caffemodel.write_bytes(writer.net("", [layer]))
    message = refused(small, capsys)
    assert message.startswith(f"{small.caffemodel}: none of its layers (fc, ...)")
    assert str(small.prototxt) in message


def test_nan_is_converted_with_a_warning(small, capsys):
    small.weights["conv1"][0][1, 2, 0, 1] = np.nan
    small.caffemodel.write_bytes(writer.net("", layers_of(SMALL, small.weights)))
    with pytest.warns(convert.CaffeWarning, match="conv1/kernel holds NaN"):
        convert.convert(small.prototxt, small.caffemodel, small.output)
    assert main([str(small.caffemodel), "-o", str(small.output)]) == 0
    assert capsys.readouterr().err == "note: conv1/kernel holds NaN\n"


# Places that cannot be written


def test_output_that_cannot_be_written(small, capsys, tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    for output, problem in {
        tmp_path: "it is a folder; name a file",
        tmp_path / "none" / "net.h5": "No such file or directory",
        tmp_path / "file" / "net.h5": "Not a directory",
        Path("/proc/net.h5"): "No such file or directory",
        Path("/dev/null"): "it is not a plain file; name a file",
        tmp_path / "net.weights.h5": "Keras reads *.weights.h5 in another format and refuses to "
        "load it by name; use a name such as net.h5",
    }.items():
        message = refused(small, capsys, output=output)
        assert message == f"cannot write {output}: {problem}"
    assert (tmp_path / "file").read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_without_permission(small, capsys, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    message = refused(small, capsys, output=folder / "net.h5")
    assert message == f"cannot write {folder / 'net.h5'}: Permission denied"


# A disk that is full


def _fails_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = os.write, iter(range(writes))

    def full(handle: int, data: bytes) -> int:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr(os, "write", full)


@pytest.mark.parametrize("writes", [0, 1, 10, 30])
def test_full_disk_leaves_the_old_file(small, monkeypatch, writes):
    monkeypatch.setattr("keras_fcn.caffe.io.streaming._BLOCK_BYTES", 100)
    small.output.write_bytes(OLD)
    before = sorted(small.output.parent.iterdir())
    _fails_after(writes, monkeypatch)
    message = f"^cannot write {small.output}: No space left on device$"
    with pytest.raises(CaffeError, match=message):
        convert.convert(small.prototxt, small.caffemodel, small.output)
    assert small.output.read_bytes() == OLD
    assert sorted(small.output.parent.iterdir()) == before


LIMITED = """
import os, resource, sys
from keras_fcn.cli.convert import main
*limits, words = sys.argv[1:]
for limit in map(int, limits):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        code = main(words.split(os.pathsep))
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def _whole_size(small: Files) -> int:
    convert.convert(small.prototxt, small.caffemodel, small.output)
    return small.output.stat().st_size


@pytest.mark.slow
def test_file_that_may_not_grow(tmp_path):
    """The kernel itself refuses to write, somewhere in the file."""
    files = write_files(tmp_path, SMALL, SHAPES)
    limits = [int(share * _whole_size(files)) for share in (0, 0.1, 0.5, 0.9, 0.999)]
    files.output.write_bytes(OLD)
    before = sorted(tmp_path.iterdir())
    words = [str(files.prototxt), str(files.caffemodel), "-o", str(files.output), "--quiet"]
    result = _limited(limits, words)
    assert sorted(tmp_path.iterdir()) == before
    assert result.stdout.split() == ["1"] * len(limits)
    message = f"error: cannot write {files.output}: File too large\n"
    assert result.stderr == message * len(limits)
    assert files.output.read_bytes() == OLD


@pytest.mark.slow
def test_file_that_may_just_grow_enough(tmp_path):
    files = write_files(tmp_path, SMALL, SHAPES)
    words = [str(files.prototxt), str(files.caffemodel), "-o", str(files.output), "--quiet"]
    result = _limited([_whole_size(files)], words)
    assert (result.stdout, result.stderr) == ("0\n", "")


def _limited(limits, words):
    """The command once for each size that a file may have."""
    command = [sys.executable, "-c", LIMITED, *map(str, limits), os.pathsep.join(words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)


@pytest.mark.slow
def test_caffemodel_that_may_not_grow(tmp_path):
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
import convert, numpy
try:
    convert.write_caffemodel({str(tmp_path / "x.caffemodel")!r}, {str(tmp_path / "x.prototxt")!r},
                             {{"a": [numpy.ones(10_000)]}})
except convert.CaffeError as error:
    print(error)
"""
    (tmp_path / "x.prototxt").write_text('layer { name: "a" type: "Scale" }')
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout == f"cannot write {tmp_path / 'x.caffemodel'}: File too large\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.prototxt"]


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A real file system of 128 KiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("inputs", [300, 5000])
def test_real_full_disk(tmp_path, tiny_disk, inputs):
    """Full at once, or after some of the weights."""
    text = f"""layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 1 dim: {inputs} }} }} }}
        layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
          inner_product_param {{ num_output: 100 }} }}"""
    files = write_files(tmp_path, text, {"ip": [(100, inputs), (100,)]})
    output = tiny_disk / "net.h5"
    output.write_bytes(OLD)
    (tiny_disk / "other").write_bytes(bytes(60_000))
    with pytest.raises(CaffeError, match=f"^cannot write {output}: No space left on device$"):
        convert.convert(files.prototxt, files.caffemodel, output)
    assert output.read_bytes() == OLD
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["net.h5", "other"]


# Killed while writing


KILLED = """
import os, signal, sys
from keras_fcn.caffe.io import streaming
from keras_fcn.caffe.conversion import convert as conversion
streaming._BLOCK_BYTES = 100
files, number = sys.argv[1:4], int(sys.argv[4])
for share in map(float, sys.argv[5:]):
    def progress(done, total):
        if done > total * share:
            os.kill(os.getpid(), number)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            conversion.convert(*files, progress=progress)
        except KeyboardInterrupt:
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("old", [OLD, None])
def test_killed_while_writing(small, old):
    if old is not None:
        small.output.write_bytes(old)
    shares = (0, 0.5, 0.99)
    assert _killed(small, signal.SIGKILL, *shares) == [-signal.SIGKILL] * len(shares)
    if old is None:
        assert not small.output.exists()
    else:
        assert small.output.read_bytes() == old


def test_interrupted_while_writing_leaves_nothing(small):
    before = sorted(small.output.parent.iterdir())
    assert _killed(small, signal.SIGINT, 0.5) == [1]
    assert sorted(small.output.parent.iterdir()) == before


def _killed(files: Files, number: int, *shares: float) -> list[int]:
    """Exit statuses of conversions that get a signal after a share of the work."""
    names = (files.prototxt, files.caffemodel, files.output)
    command = [sys.executable, "-c", KILLED, *names, int(number), *shares]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    return list(map(int, done.stdout.split()))
