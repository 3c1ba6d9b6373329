"""Every benchmark runs to its end, on little; the figures are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def run(script, *arguments):
    for peer in ("cv2", "onnxruntime"):
        pytest.importorskip(peer, reason="pip install --group bench")
    command = [sys.executable, HERE / script, "--rounds", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_convert(tmp_path):
    printed = run("bench_convert.py", "--nets", "tiny", "--output", tmp_path / "figures.json")
    (figures,) = json.loads((tmp_path / "figures.json").read_text())["files"]
    assert "| tiny" in printed
    assert all(seconds > 0 for seconds in figures["seconds"].values())
    assert 10e6 < figures["peak_bytes"] < figures["peak_bar_bytes"]


def test_load(tmp_path):
    printed = run("bench_load.py", "--nets", "tiny", "--output", tmp_path / "figures.json")
    (figures,) = json.loads((tmp_path / "figures.json").read_text())["files"]
    assert "read .h5 / h5py" in printed
    assert all(seconds > 0 for seconds in figures["seconds"].values())


def test_models(tmp_path):
    arguments = ("--calls", "1", "--side", "2", "--output", tmp_path / "figures.json")
    printed = run("bench_models.py", *arguments)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "ours, predict / best peer" in printed
    assert [len(case["seconds"]) for case in figures["cases"]] == [8, 8, 8]
    assert figures["crops"]["positions"] == 4


def test_data(tmp_path):
    arguments = ("--steps", "2", "--batch", "1", "--output", tmp_path / "figures.json")
    printed = run("bench_data.py", *arguments)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "waiting for data" in printed
    assert 0 <= figures["waiting"] < 1
    assert figures["read_seconds"] > 0


def test_solve(tmp_path):
    arguments = ("--nets", "lenet", "--steps", "2", "--output", tmp_path / "figures.json")
    printed = run("bench_solve.py", *arguments)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "| LeNet, batch 64" in printed
    assert figures["cases"][0]["ratio"] > 0
    assert 0 <= figures["waiting"]["waiting"] < 1


def test_engines(tmp_path):
    arguments = ("--nets", "tiny", "--calls", "1", "--busy", "--output", tmp_path / "figures.json")
    printed = run("bench_engines.py", *arguments)
    (figures,) = json.loads((tmp_path / "figures.json").read_text())["cases"]
    assert "| tiny 32x32, batch 2" in printed
    assert {"ours, predict", "ours, auto", "onnxruntime", "OpenCV"} <= set(figures["seconds"])
    assert figures["multiply_adds"] == 2 * 28 * 28 * 8 * 75


def test_many(tmp_path):
    arguments = ("--nets", "tiny", "--images", "20", "--output", tmp_path / "figures.json")
    printed = run("bench_many.py", *arguments)
    (figures,) = json.loads((tmp_path / "figures.json").read_text())["cases"]
    assert "| tiny 32x32, segment, batch 8" in printed
    assert figures["ratio"] > 0


def test_profile():
    lines = run("bench_models.py", "--profile").splitlines()
    rows = [line.split("|")[1:4] for line in lines if line.startswith("| conv2")]
    assert len(rows) == 3
    assert all(float(ours) > 0 and float(theirs) > 0 for _, ours, theirs in rows)
