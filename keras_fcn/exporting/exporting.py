"""Write a model in a form that other programs load."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.names import net_files
from keras_fcn.core.card import SAVED_MODEL_CARD
from keras_fcn.errors import require_tensorflow
from keras_fcn.exporting.file_card import file_card
from keras_fcn.exporting.formats import export_format
from keras_fcn.graph.ends import input_names, output_names
from keras_fcn.layers._axes import channels_last_shape


def export(
    model: keras.Model,
    path: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    verify: bool = False,
    **options: Any,
) -> Path:
    """Write a model for use without keras_fcn.

    Args:
        model: a functional or sequential model.
        path: file or folder to write; it appears whole or not at all.
        format: `"saved_model"` (TensorFlow, TF Serving: batch, and height and width
            where the model leaves them free, stay free; the signature's outputs have
            their layers' names), `"onnx"` (the Caffe network that the model is, in
            Caffe's axis order and with its names; batch, height and width free), `"ncnn"` (the
            same for ncnn, image by image, with the weights beside it in a `.bin` file), `"litert"`
            (LiteRT, which was TensorFlow Lite), `"keras"` (needs keras_fcn to load, but with
            `stock`), `"caffe"` (a prototxt and a caffemodel with
            this path and their endings; see `keras_fcn.to_caffe`), or `"code"` (see
            `keras_fcn.to_code`).
            None: by what the path ends in, `.onnx`, `.param`, `.tflite`, `.keras`, `.caffemodel`,
            `.prototxt` or `.py`; without an ending a SavedModel.
        verify: whether to load what was written in its own runtime, run it and compare its
            outputs with the model's; where they differ it is removed. ONNX and ncnn files are
            compared without it, see `check`.
        **options: for `"caffe"`, `"code"` and `stock`: `input_shapes`, input name -> shape
            (N, C, H, W), where the model leaves sizes open. For `"keras"`: `stock`, whether
            to write Keras' own classes alone, so that the file loads without keras_fcn; what
            the model knows of its job is not in it. For `"saved_model"`:
            `preprocessing_inside`, whether it gets a signature, `images`, which takes
            images as they are in files, uint8 (N, height, width, channels) of any size, RGB
            where there are three, and prepares them inside, and one, `image_bytes`, which takes
            PNG and JPEG files themselves, strings (N,); of classes both also give `probabilities`,
            `top_k`, `top_k_scores` and, of a map, `labels` of the images' size. For `"onnx"`:
            `preprocessing_inside`, whether it takes such images, as `images`, instead of
            prepared ones; `layout`,
            `"channels_first"` or `"channels_last"`; `opset`, 13 to 17; `fold`, whether to fold
            batch norms and scales into the layers before them; `detection`, `"none"` to leave
            a detector's last layer out; `custom`, whether to keep layers that ONNX has no
            operators for as nodes of a domain of our own, which `keras_fcn.onnx_evaluator`
            computes; `input_shapes`, for sizes that
            are not to be free; and `check`, whether to compare the file, where onnxruntime is
            installed, with the model. For `"ncnn"`: `fold`, `detection`, `input_shapes` and
            `check`, the same in ncnn. For `"litert"`: `precision`, `"float32"`, `"float16"`
            (weights of half the size) or `"int8"` (weights and what is computed, a quarter of the
            size; layers that LiteRT has no 8-bit form of stay float32); inputs and outputs are
            float32 in all. `calibration`, pictures such as the network will see, a folder or what
            `keras_fcn.segment` takes, prepared as the model says: int8 finds its ranges by the
            first 100, and both lower precisions are compared with the model on them. A loss above
            5% (of labels, else of the values) is warned of, and one above half refused. `progress`,
            told each of these figures in a line, which are logged else; `check`, whether to
            compare; and `input_shapes`.

    What the model knows of its use, that is of images, classes and tiles, goes along, for
    `keras_fcn.load` and for other programs to read: as `assets.extra/keras_fcn_card.json` in a
    SavedModel, as `keras_fcn_card` in ONNX' metadata and behind
    ncnn's layers, behind a `.tflite` file as a zip archive
    with `labels.txt`, and in a comment, the first line, of a prototxt.

    Returns:
        The path written; of Caffe's two files, where the path is neither of them, the prototxt.

    Raises:
        ValueError: the format or the path's ending is not known, or they differ.
        CaffeError: the path cannot be written, or a layer has no such form; or what was
            written gives other numbers; or only TensorFlow
            writes the format, and Keras runs on another backend (a `BackendError`).
    """
    form = export_format(path, format)
    unknown = sorted(options.keys() - _OPTIONS.get(form, set()))
    if unknown:
        raise ValueError(f"format={form!r} has no such options. Received: {unknown}")
    path = Path(path)
    if form in _OF_TENSORFLOW:
        require_tensorflow(
            f"export(format={form!r})", "save the model as .keras and export that there, or as ONNX"
        )
    _WRITERS[form](model, path, **options)
    if verify:
        from keras_fcn.exporting.written import CHECKED, check_form

        # A lower precision has numbers of its own, which are measured where it is written.
        if form in CHECKED and options.get("precision", "float32") == "float32":
            check_form(form, path, model, options.get("input_shapes") or {})
    return path if form != "caffe" or path in net_files(path) else net_files(path)[0]


def _saved_model(model: keras.Model, path: Path, *, preprocessing_inside: bool = False) -> None:
    import tensorflow as tf

    if path.exists() and not (path / "saved_model.pb").exists():
        raise CaffeError(f"cannot write {path}: it exists and is not a SavedModel; remove it first")
    names = output_names(model)

    def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        return dict(zip(names, keras.tree.flatten(outputs), strict=True))

    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]) if tensor.shape else (), tensor.dtype, name=name)
        for name, tensor in zip(input_names(model), model.inputs, strict=True)
    ]
    endpoints = {}
    if preprocessing_inside:
        from keras_fcn.exporting.images_endpoint import image_endpoints

        endpoints = image_endpoints(model, serve)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            target = Path(folder) / "model"
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint("serving_default", serve, input_signature=signature)
            for name, (function, spec) in endpoints.items():
                archive.add_endpoint(name, function, input_signature=[spec])
            archive.write_out(str(target), verbose=False)
            _write_card(file_card(model), target / SAVED_MODEL_CARD)
            if path.exists():
                path.rename(Path(folder) / "old")
            target.rename(path)
    except OSError as error:
        raise CaffeError(f"cannot write {path}: {error.strerror or error}") from error


def _write_card(card: str, file: Path) -> None:
    if card:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(card, "utf-8")


def _onnx(model: keras.Model, path: Path, **options: Any) -> None:
    from keras_fcn.exporting.onnx import write_onnx

    write_onnx(model, path, **options)


def _ncnn(model: keras.Model, path: Path, **options: Any) -> None:
    from keras_fcn.exporting.ncnn import write_ncnn

    write_ncnn(model, path, **options)


def _litert(model: keras.Model, path: Path, **options: Any) -> None:
    from keras_fcn.exporting.litert import write_litert

    write_litert(model, path, **options)


def _keras(
    model: keras.Model,
    path: Path,
    *,
    stock: bool = False,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
) -> None:
    if input_shapes and not stock:
        raise ValueError("input_shapes are for stock=True. Received: stock=False")
    if path.suffix != ".keras":  # which Keras asks for, to the letter
        raise ValueError(f"a Keras file ends in .keras. Received: path={str(path)!r}")
    with atomic_path(path) as temporary:
        target = temporary.with_suffix(".keras")
        try:
            (_stock(model, input_shapes) if stock else model).save(target)
            target.replace(temporary)
        finally:
            target.unlink(missing_ok=True)


def _stock(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int | None]] | None
) -> keras.Model:
    from keras_fcn.exporting.stock.rebuilding import stock_model

    shapes = {
        name: channels_last_shape((None, *shape[1:]))
        for name, shape in (input_shapes or {}).items()
    }
    return stock_model(model, shapes)


def _code(
    model: keras.Model,
    path: Path,
    *,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
) -> None:
    from keras_fcn.exporting.source.writing import write_code

    shapes = {name: shape[1:] for name, shape in (input_shapes or {}).items()}
    write_code(model, path, input_shapes=shapes)


def _caffe(model: keras.Model, path: Path, **options: Any) -> None:
    from keras_fcn.to_caffe import write_caffe

    write_caffe(model, path, **options)


_WRITERS: dict[str, Callable[..., None]] = {
    "caffe": _caffe,
    "code": _code,
    "keras": _keras,
    "litert": _litert,
    "ncnn": _ncnn,
    "onnx": _onnx,
    "saved_model": _saved_model,
}
_OF_TENSORFLOW = {"litert", "saved_model"}
_OPTIONS: dict[str, set[str]] = {
    "caffe": {"input_shapes"},
    "code": {"input_shapes"},
    "keras": {"stock", "input_shapes"},
    "litert": {"calibration", "check", "input_shapes", "precision", "progress"},
    "ncnn": {"check", "detection", "fold", "input_shapes"},
    "onnx": {
        *("check", "custom", "detection", "fold", "input_shapes", "layout", "opset"),
        "preprocessing_inside",
    },
    "saved_model": {"preprocessing_inside"},
}
