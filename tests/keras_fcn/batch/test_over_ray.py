"""Pictures in processes of Ray: nothing lost, nothing twice."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn import batch
from keras_fcn.cli import main
from tests.keras_fcn.batch import nets

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray.data

        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
        ray.shutdown()


def labels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    """500 pictures, two workers: one is broken, one worker dies in the middle."""
    paths = nets.photos(tmp_path / "photos", 500)
    for path in (paths[250], paths[300]):
        Image.new("RGB", (10, 8), (77, 77, 77)).save(path)
    model = nets.model(tmp_path)
    deadly = nets.Deadly(mean=None, grey=77, mark=str(tmp_path / "killed"))
    data = ray.data.from_items([{"path": str(path), "number": i} for i, path in enumerate(paths)])
    found = batch.ray_predict(data, model, preprocessing=deadly, workers=2, batch_size=20)
    rows = sorted(found.take_all(), key=lambda row: row["number"])
    assert (tmp_path / "killed").exists()
    assert [row["number"] for row in rows] == list(range(500))
    assert [i for i, row in enumerate(rows) if row["error"] is not None] == [7]
    assert rows[7]["result"] is None
    assert "0007.png: not an image" in rows[7]["error"]
    for index in (0, 1, 8, 250, 499):
        np.testing.assert_array_equal(
            labels(rows[index]["result"]), keras_fcn.segment(model, paths[index])
        )


def test_pixels_and_encoded_pictures(cluster, tmp_path):
    paths = nets.photos(tmp_path / "photos", 12)
    model = nets.model(tmp_path)
    model.save(tmp_path / "net.keras")
    encoded = ray.data.from_items([{"bytes": x.read_bytes(), "name": x.name} for x in paths])
    pixels = ray.data.from_items(
        [{"image": np.asarray(Image.open(x)), "name": x.name} for x in paths if x != paths[7]]
    )
    options = {"function": "embed", "options": {"layer": "conv"}, "together": 4}
    for data, count in ((encoded, 12), (pixels, 11)):
        found = batch.ray_predict(data, tmp_path / "net.keras", **options).take_all()
        assert len(found) == count
        assert {*found[0]} == {"name", "result", "error"}
        for row in found:
            if row["name"] == paths[7].name:
                assert row["error"].startswith("the picture: not an image")
                continue
            values = np.load(io.BytesIO(row["result"]))
            wanted = keras_fcn.embed(model, tmp_path / "photos" / row["name"], "conv")
            np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="a column of pictures"):
        batch.ray_predict(ray.data.from_items([{"x": 1}]), model)


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_the_command_says_the_same_with_ray(cluster, tmp_path, capsys, monkeypatch, more):
    paths = nets.photos(tmp_path / "photos", 40)
    nets.model(tmp_path).save(tmp_path / "net.keras")
    command = ["segment", tmp_path / "photos", "--model", tmp_path / "net.keras", "--skip-bad"]

    def run(name, *others):
        lines = tmp_path / f"{name}.jsonl"
        words = [*command, "-o", tmp_path / name, "--jsonl", lines, *others]
        status = main([str(word) for word in words])
        return status, [json.loads(line) for line in lines.read_text().splitlines()]

    wanted = run("here")
    assert wanted[0] == 3
    if more:
        run("there")
        (tmp_path / "there" / "0011.png").unlink()
        capsys.readouterr()
    monkeypatch.setattr("keras_fcn.inference.jobs.results", None)  # in this process
    status, records = run("there", "--ray", "auto", *more)
    assert status == 3
    told = json.loads(json.dumps(records).replace("/there/", "/here/"))
    assert told == wanted[1]
    assert len({*(tmp_path / "there").glob("*.png")}) == len(paths) - 1
    if more:
        assert "38 of 40 images were done before" in capsys.readouterr().err
