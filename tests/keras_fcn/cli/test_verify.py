"""`keras-fcn verify`: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.keras_fcn.verifying.nets import dump, small_net


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return small_net(tmp_path_factory.mktemp("verify"))


def test_the_same_and_a_report(net, run, tmp_path):
    found = run("verify", net.prototxt, net.caffemodel, "-o", tmp_path / "report")
    assert found.status == 0, found
    assert "small against its own ONNX form in onnxruntime" in found.out
    assert "the same network: 8 blobs agree" in found.out
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert told["passed"]
    assert [x["blob"] for x in told["blobs"]][:2] == ["data", "conv1"]
    assert "<html" in (tmp_path / "report" / "report.html").read_text()


def test_it_differs(net, run, tmp_path):
    wrong = dict(net.blobs) | {"norm/1": net.blobs["norm/1"] * 1.5}
    path = dump(tmp_path / "dump.npz", net, wrong)
    found = run("verify", net.prototxt, net.caffemodel, "--reference", path)
    assert found.status == 1
    assert "differs from 'norm/1' on (layer 'norm1', LRN)" in found.out
    assert "error" not in found.err


def test_it_cannot_be_compared(net, run, tmp_path):
    np.savez(tmp_path / "empty.npz")
    for reference, message in (
        (tmp_path / "empty.npz", "empty.npz holds no arrays"),
        (tmp_path / "none.npz", "no such reference"),
    ):
        found = run("verify", net.prototxt, net.caffemodel, "--reference", reference)
        assert found.status == 2
        assert message in found.err
    assert run("verify", tmp_path / "none.prototxt").status == 2
    assert run("verify").status == 2
    assert "--mean" in run("verify", net.prototxt, "--image", __file__).err


def test_several_references(net, run, tmp_path):
    right = dump(tmp_path / "right.npz", net)
    found = run(
        "verify", net.prototxt, net.caffemodel, "--reference", right,
        "--reference", tmp_path / "none.npz", "-o", tmp_path / "out",
    )  # fmt: skip
    assert found.status == 2
    assert "2 comparisons: 1 the same, 1 not proven" in found.out
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [x["report"] is None for x in told["entries"]] == [False, True]
    assert len(list((tmp_path / "out").glob("*/report.html"))) == 1
    assert "right.npz" in (tmp_path / "out" / "summary.html").read_text()


def test_a_folder(net, run, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(net.prototxt, tmp_path / name / "deploy.prototxt")
        shutil.copy(net.caffemodel, tmp_path / name / f"{name}_iter_100.caffemodel")
    (tmp_path / "one" / "solver.prototxt").write_text("")
    (tmp_path / "one" / "train_val.prototxt").write_text("")
    (tmp_path / "two" / "two_iter_100.caffemodel").write_bytes(b"\xff\xff")
    (tmp_path / "alone").mkdir()
    shutil.copy(net.caffemodel, tmp_path / "alone")
    found = run("verify", "--all", tmp_path, "-o", tmp_path / "out")
    assert found.status == 2
    assert "one/one_iter_100.caffemodel" in found.out
    assert "not compared" in found.out
    assert "alone/net.caffemodel: no prototxt beside" in found.err
    assert (tmp_path / "out" / "summary.html").exists()
    assert run("verify", "--all", tmp_path / "out").status == 2


def test_help_tells_what_is_written_and_what_exit_codes_mean(run, capsys):
    with pytest.raises(SystemExit):
        run("verify", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "of several references or networks summary.json and summary.html" in told
    assert "2 where it cannot compare, or prove all: as where a blob is apart as noise is" in told


def test_float64_as_asked(net, run):
    found = run("verify", net.prototxt, net.caffemodel, "--no-float64")
    assert "float64: not computed, as asked" in found.out
    assert found.status == 0
    found = run("verify", net.prototxt, net.caffemodel, "--float64")
    assert "float64: 8 blobs by ONNX's reference evaluator" in found.out


def test_the_script_alone(run):
    found = run("verify", "--dump-script")
    assert found.status == 0
    assert found.out.startswith('"""Write all blobs')
    assert found.err == ""
