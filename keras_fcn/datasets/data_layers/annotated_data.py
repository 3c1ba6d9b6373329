"""AnnotatedData: SSD's images with their boxes, of a database.

Source: `src/caffe/layers/annotated_data_layer.cpp` and `src/caffe/data_transformer.cpp` of
weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_fcn.caffe.blobs.annotated_datum import AnnotatedDatum, read_annotated_datum
from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.datasets.data_layers import box_samples
from keras_fcn.datasets.data_layers.box_resizing import BoxResizing
from keras_fcn.datasets.data_layers.database_source import DatabaseSource, image_of
from keras_fcn.datasets.data_layers.distorting import distorted, require_distortion
from keras_fcn.datasets.data_layers.records import Record
from keras_fcn.datasets.data_layers.source import Batch, Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer
from keras_fcn.preprocessing.opencv_decoding import decode_bgr

_FIELDS = "source batch_size backend prefetch"
_OWN = "batch_sampler label_map_file anno_type"
_TRANSFORMS = ("resize_param", "emit_constraint", "expand_param", "distort_param")
_MOST_EXPANDED = 16.0  # times a side; memory is its square
_NO_BOX = -1


@reads("AnnotatedData")
class AnnotatedSource(DatabaseSource):
    """Images in the order of their keys; the label holds the boxes of the whole batch.

    A row of the label `(1, 1, boxes, 8)` is (image of the batch, class, instance, xmin, ymin, xmax,
    ymax, difficult), corners in parts of the image; a batch without boxes has one row of -1.
    An image is distorted, expanded, a part of it sampled, resized, and then cropped and mirrored.
    As in SSD, what is distorted, expanded or sampled of an encoded image is encoded as JPEG in
    between.
    """

    def __init__(self, setting: Setting) -> None:
        data = setting.own("data_param", _FIELDS)
        own = setting.own("annotated_data_param", _OWN)
        super().__init__(setting)
        fields = setting.message("transform_param")
        self._transform = Transformer(setting, [("crop_h", "crop_w")], _TRANSFORMS)
        self._emit: Fields | None = fields.get("emit_constraint")
        self._expand: Fields = fields.get("expand_param", Fields())
        self._distort: Fields = fields.get("distort_param", Fields())
        require_distortion(self._distort, setting.place)
        self._resizing: BoxResizing | None = None
        if "resize_param" in fields:
            self._resizing = BoxResizing(fields["resize_param"], setting.place)
        self._samplers: Sequence[Fields] = own.get("batch_sampler", ())
        box_samples.require_samplers(self._samplers, setting.place)
        most = self._expand.get("max_expand_ratio", 1.0)
        if (
            self._expand
            and not self._transform.has_mean_values
            and self._transform.mean is not None
        ):
            raise UnsupportedLayerError(
                f"{setting.place}: expand_param with mean_file is not computed; give mean_value"
            )
        if not 1 <= most <= _MOST_EXPANDED:
            raise CaffeError(
                f"{setting.place}: expand_param: max_expand_ratio must be from 1 to "
                f"{_MOST_EXPANDED:g}. Received: {most:g}"
            )
        self._open(data.get("source", ""))
        for top in self.tops[1:]:
            self.shapes[top] = (1, 1, None, 8)  # type: ignore[assignment]  # of each batch another

    def record(self, index: int, number: int) -> Record:
        name, (found, image) = self._entry(index, self._content)
        rows = self._rows(found, name)
        random = self._choices(number)
        encoded = found.datum.encoded
        if self._distort:
            image = self._distorted(image, encoded, random, name)
        image, rows = self._expanded(image, rows, encoded, random, name)
        image, rows = self._sampled(image, rows, encoded, random)
        if self._resizing is not None:
            image, rows = self._resized(self._resizing, image, rows, encoded, random, name)
        window = self._transform.window(image, random, name)
        height, width = image.shape[1:]
        right, bottom = window.left + window.width, window.top + window.height
        corners = np.array([window.left, window.top, right, bottom])
        sides = np.array([width, height, width, height], np.float32)
        rows = self._within(rows, (corners / sides).astype(np.float32))
        if window.mirrored:
            rows[:, [2, 4]] = 1 - rows[:, [4, 2]]
        array = self._transform.within(image, window, name)
        label = np.concatenate([np.zeros((len(rows), 1), np.float32), rows], 1)
        return Record(name, (array, label)[: len(self.tops)])

    def _content(self, content: bytes) -> tuple[AnnotatedDatum, np.ndarray]:
        found = read_annotated_datum(content)
        return found, image_of(found.datum, self._transform.color)

    def _rows(self, found: AnnotatedDatum, name: str) -> np.ndarray:
        if found.rows is None and len(self.tops) > 1:
            raise CaffeError(
                f"{self.setting.place}: {name} has no type of annotation, so no boxes; make the "
                "database with SSD's convert_annoset --anno_type=detection"
            )
        return np.zeros((0, 7), np.float32) if found.rows is None else found.rows

    def _within(self, rows: np.ndarray, window: np.ndarray) -> np.ndarray:
        """The rows that stay where a window of the image is taken."""
        return box_samples.projected(box_samples.emitted(rows, window, self._emit), window)

    def _expanded(
        self,
        image: np.ndarray,
        rows: np.ndarray,
        encoded: bool,
        random: np.random.Generator,
        name: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image somewhere on a larger one of the mean, as `expand_param` says."""
        most = self._expand.get("max_expand_ratio", 1.0)
        if not self._expand or random.uniform() > self._expand.get("prob", 0.0) or most < 1.01:
            return image, rows
        ratio = random.uniform(1, most)
        height, width = image.shape[1:]
        size = int(height * ratio), int(width * ratio)
        top, left = (
            int(random.uniform(0, new - old))
            for new, old in zip(size, (height, width), strict=True)
        )
        canvas = np.zeros((len(image), *size), image.dtype)
        if self._transform.has_mean_values:
            canvas[:] = np.rint(self._transform.values_for(len(image), name))
        canvas[:, top : top + height, left : left + width] = image
        corners = [-left / width, -top / height, (size[1] - left) / width, (size[0] - top) / height]
        rows = self._within(rows, np.array(corners, np.float32))
        return self._encoded_again(canvas) if encoded else canvas, rows

    def _sampled(
        self, image: np.ndarray, rows: np.ndarray, encoded: bool, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """One of the parts that the samplers find."""
        found = box_samples.samples(self._samplers, rows, random)
        if not found:
            return image, rows
        box = box_samples.clipped(found[random.integers(len(found))])
        height, width = image.shape[1:]
        scaled = box * np.array([width, height, width, height], np.float32)
        left, top = int(scaled[0]), int(scaled[1])
        across, down = int(scaled[2] - scaled[0]), int(scaled[3] - scaled[1])
        top, left = min(top, height - 1), min(left, width - 1)
        part = image[:, top : top + max(down, 1), left : left + max(across, 1)]
        return self._encoded_again(part) if encoded else part, self._within(rows, box)

    def _encoded_again(self, image: np.ndarray) -> np.ndarray:
        """What OpenCV's `imencode` makes a JPEG of, and what is read of that."""
        pixels = np.ascontiguousarray(image.transpose(1, 2, 0)[..., ::-1])
        file = io.BytesIO()
        made = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        made.save(file, "JPEG", quality=95, subsampling="4:2:0")
        return decode_bgr(file.getvalue(), self._transform.color).transpose(2, 0, 1)

    def _distorted(
        self, image: np.ndarray, encoded: bool, random: np.random.Generator, name: str
    ) -> np.ndarray:
        """The image with its colors changed, as `distort_param` says."""
        if not encoded or len(image) != 3:
            raise CaffeError(
                f"{self.setting.place}: {name} is {'' if encoded else 'raw, '}of {len(image)} "
                "channels, and SSD distorts encoded images of 3; take distort_param away"
            )
        changed = distorted(image.transpose(1, 2, 0), self._distort, random)
        return self._encoded_again(changed.transpose(2, 0, 1))

    def _resized(
        self,
        resizing: BoxResizing,
        image: np.ndarray,
        rows: np.ndarray,
        encoded: bool,
        random: np.random.Generator,
        name: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        size = image.shape[1:]
        if not encoded and size != resizing.size:
            raise CaffeError(
                f"{self.setting.place}: {name} is raw, {size} (height, width), and SSD resizes "
                f"encoded images alone; resize_param asks for {resizing.size}"
            )
        rows = rows.copy()
        rows[:, 2:6] = resizing.boxes(box_samples.clipped(rows[:, 2:6]), size)
        return resizing.image(image.transpose(1, 2, 0), random, name).transpose(2, 0, 1), rows

    def _batch(self, rows: Sequence[Record]) -> Batch:
        batch = super()._batch([Record(row.name, row.arrays[:1]) for row in rows])
        if len(self.tops) > 1:
            labels = [row.arrays[1].copy() for row in rows]
            for number, label in enumerate(labels):
                label[:, 0] = number
            boxes = np.concatenate(labels)
            if not len(boxes):
                boxes = np.full((1, 8), _NO_BOX, np.float32)
            batch[self.tops[1]] = boxes[np.newaxis, np.newaxis]
        return batch
