"""A network as a function of Spark's columns."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_fcn.batch.predictor import Predictor, Recipe, Row, recipe
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing import Preprocessing

__all__ = ["spark_udf"]


def spark_udf(
    model: Any,
    weights: Any = None,
    *,
    function: str | None = None,
    options: Mapping[str, Any] | None = None,
    preprocessing: Preprocessing | None = None,
    engine: str | None = None,
    batch_size: int = 16,
    together: int = 1,
    net: Mapping[str, Any] | None = None,
) -> Any:
    """A function for Spark that says what pictures show.

    It is made by `pyspark.ml.functions.predict_batch_udf`: each Python worker of Spark loads the
    model once.

    Args:
        model: as for `ray_predict`, and so are all arguments of the same name.
        weights: for a prototxt or a name.
        function: None for what the model is for.
        options: arguments of that function.
        preprocessing: how images are prepared; None for the model's own.
        engine: see `keras_fcn.optimize_for_inference`; None for Keras.
        batch_size: how many rows are taken at once.
        together: how many neighbours of one size go through the network together.
        net: how a network of Caffe is read.

    Returns:
        A function of one column, of encoded pictures, as Spark's `binaryFile` gives them, or of
        names of files. Its column has the fields `result` and `error` of `ray_predict`, as text:
        what is bytes there is in base64, for Spark's `unbase64`.

    Raises:
        CaffeError: Spark is not installed.
        ValueError: there is no such function.

    Example:
        ```python
        label = batch.spark_udf("net.keras", function="classify", options={"top": 1})
        photos = spark.read.format("binaryFile").load("photos")
        photos.select("path", label("content").alias("label")).write.json("labels")
        ```
    """
    try:
        from pyspark.ml.functions import predict_batch_udf
        from pyspark.sql.types import StringType, StructField, StructType
    except ImportError as error:
        raise CaffeError("Spark needs pip install 'keras-fcn[spark]'") from error
    described = recipe(
        model,
        weights,
        function=function,
        preprocessing=preprocessing,
        engine=engine,
        net=net,
        options=options,
    )
    fields = StructType([StructField(name, StringType()) for name in Row._fields])
    return predict_batch_udf(_Maker(described, together), return_type=fields, batch_size=batch_size)


class _Maker:
    """Makes, in a worker, the function of a batch of values."""

    def __init__(self, described: Recipe, together: int) -> None:
        self._described, self._together = described, together

    def __call__(self) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        predictor = Predictor(self._described, self._together)

        def columns(values: np.ndarray) -> dict[str, np.ndarray]:
            rows = [row._replace(result=_text(row.result)) for row in predictor.rows(values)]
            named = {name: [getattr(row, name) for row in rows] for name in Row._fields}
            return {name: np.array(found, object) for name, found in named.items()}

        return columns


def _text(result: Any) -> Any:
    return base64.b64encode(result).decode() if isinstance(result, bytes) else result
