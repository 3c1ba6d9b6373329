"""`AnnotatedDatum`: an image with its boxes, as SSD's databases hold it.

Source: `AnnotatedDatum` in `src/caffe/proto/caffe.proto` of weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from keras_fcn.caffe.blobs.blob_protos import Array
from keras_fcn.caffe.blobs.datum import Datum, datum_of
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.proto import schema

__all__ = ["AnnotatedDatum", "read_annotated_datum"]


@dataclass(frozen=True)
class AnnotatedDatum:
    """The fields of a message.

    Attributes:
        datum: the image.
        rows: of the boxes, float32 `(boxes, 7)`: class, instance, xmin, ymin, xmax, ymax in parts
            of the image, and whether the box is difficult; None where the datum has no type of
            annotation.
    """

    datum: Datum
    rows: Array | None


def read_annotated_datum(content: bytes) -> AnnotatedDatum:
    """Read a serialized `AnnotatedDatum`.

    Raises:
        CaffeError: it is none, or a box has corners that are not finite.
    """
    message = schema.new("AnnotatedDatum")
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise CaffeError(f"not an AnnotatedDatum message: {error}") from error
    if not message.HasField("datum"):
        raise CaffeError("an AnnotatedDatum without a datum; a database of Datum is read by Data")
    rows = [
        (group.group_label, each.instance_id, *_corners(each.bbox), each.bbox.difficult)
        for group in message.annotation_group
        for each in group.annotation
    ]
    boxes = np.array(rows, np.float32).reshape(-1, 7)
    if not np.isfinite(boxes).all():
        raise CaffeError("the AnnotatedDatum has a box whose corners are NaN or infinite")
    return AnnotatedDatum(datum_of(message.datum), boxes if message.HasField("type") else None)


def _corners(box: Any) -> tuple[float, ...]:
    return box.xmin, box.ymin, box.xmax, box.ymax
