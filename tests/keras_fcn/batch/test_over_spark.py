"""Pictures in Spark's columns."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn import batch
from tests.keras_fcn.batch import nets

sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
]


@pytest.fixture(scope="module")
def spark():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    yield session
    session.stop()


def test_encoded_pictures_and_names(spark, tmp_path):
    paths = nets.photos(tmp_path / "photos", 12)
    model = nets.model(tmp_path)
    segment = batch.spark_udf(model, batch_size=5)
    photos = spark.read.format("binaryFile").load(str(tmp_path / "photos"))
    rows = photos.select("path", segment("content").alias("x")).collect()
    assert len(rows) == 12
    for path, found in ((row["path"].removeprefix("file:"), row["x"]) for row in rows):
        if path == str(paths[7]):
            assert found["result"] is None
            assert "not an image" in found["error"]
            continue
        assert found["error"] is None
        with Image.open(io.BytesIO(base64.b64decode(found["result"]))) as image:
            np.testing.assert_array_equal(np.asarray(image), keras_fcn.segment(model, path))
    names = spark.createDataFrame([(str(path),) for path in paths], ["path"])
    model.save(tmp_path / "net.keras")
    points = batch.spark_udf(tmp_path / "net.keras", function="keypoints")
    found = [row["x"] for row in names.select(points("path").alias("x")).collect()]
    assert [row["error"] is None for row in found].count(False) == 1
    assert isinstance(json.loads(found[0]["result"]), list)
