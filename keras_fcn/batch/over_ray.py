"""A network over a data set of Ray, in as many processes as it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_fcn.batch.predictor import FUNCTIONS, Predictor, Recipe, recipe
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing import Preprocessing

__all__ = ["imported_ray", "ray_predict"]

_COLUMNS = ("image", "bytes", "path")


def ray_predict(
    dataset: Any,
    model: Any,
    weights: Any = None,
    *,
    column: str | None = None,
    function: str | None = None,
    options: Mapping[str, Any] | None = None,
    preprocessing: Preprocessing | None = None,
    engine: str | None = None,
    workers: int = 2,
    batch_size: int = 16,
    together: int = 1,
    net: Mapping[str, Any] | None = None,
    **resources: Any,
) -> Any:
    """Say what the pictures of a `ray.data.Dataset` show.

    Each worker loads the model once. A picture that cannot be used has a text in the column
    `error`, and stops nothing; a worker that dies is replaced, and what it had not finished is done
    again.

    Args:
        dataset: with a column of pixels, uint8 (H, W, channels), as `ray.data.read_images` gives
            them, of encoded pictures, as `read_binary_files` does, or of names of files that the
            workers can read.
        model: a Keras model; or whatever `keras_fcn.load` takes, which the workers must find: a
            published name, or a file in a folder that they share.
        weights: for a prototxt or a name.
        column: the column of pictures; None for the first of `image`, `bytes` and `path`.
        function: `"classify"`, `"segment"`, `"detect"`, `"keypoints"` or `"embed"`; None for what
            the model is for.
        options: arguments of that function, such as `{"top": 3}`.
        preprocessing: how images are prepared; None for the model's own.
        engine: see `keras_fcn.optimize_for_inference`; None for Keras.
        workers: how many processes.
        batch_size: how many rows a worker takes at once.
        together: how many neighbours of one size, once prepared, go through the network together.
        net: how a network of Caffe is read, such as `{"input_shapes": ...}`.
        **resources: what a worker takes, for Ray: `num_cpus`, `num_gpus`, `memory`, ...

    Returns:
        A `ray.data.Dataset`, computed when it is used: the columns of `dataset` but for pixels and
        encoded pictures, and

        - `result`: of classify, detect and keypoints JSON text, of segment a PNG whose pixels are
          the labels, of embed the bytes of a `.npy` file; null where there is none;
        - `error`: why there is none; null where there is one.

    Raises:
        CaffeError: Ray is not installed.
        ValueError: the data set has no such column, or there is no such function.
    """
    ray = imported_ray()
    column = _column(dataset.columns(), column)
    described = recipe(
        model,
        weights,
        function=function,
        preprocessing=preprocessing,
        engine=engine,
        net=net,
        options=options,
    )
    return dataset.map_batches(
        _Worker,
        fn_constructor_args=(described, column, together),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
        **{"num_cpus": 1, **resources},
    )


def imported_ray() -> Any:
    """The package Ray with its data sets.

    Raises:
        CaffeError: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise CaffeError("Ray needs pip install 'keras-fcn[ray]'") from error
    return ray


def _column(columns: Sequence[str], asked: str | None) -> str:
    wanted = _COLUMNS if asked is None else (asked,)
    found = next((name for name in wanted if name in columns), None)
    if found is None:
        raise ValueError(
            f"the data set must have a column of pictures, {' or '.join(map(repr, wanted))}; "
            f"column= names another. Received: columns {list(columns)}"
        )
    return found


class _Worker:
    """What a process of Ray does with each batch of rows."""

    def __init__(self, described: Recipe, column: str, together: int) -> None:
        self._predictor = Predictor(described, together)
        self._column = column

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa
        from ray.data.block import BlockAccessor

        values = BlockAccessor.for_block(table.select([self._column])).to_numpy(self._column)
        rows = list(self._predictor.rows(values))
        if not isinstance(next(iter(values), ""), str):
            table = table.drop_columns([self._column])
        kind = pa.binary() if FUNCTIONS[self._predictor.function].binary else pa.string()
        for name, column_type in (("result", kind), ("error", pa.string())):
            found = pa.array([getattr(row, name) for row in rows], column_type)
            table = table.append_column(name, found)
        return table
