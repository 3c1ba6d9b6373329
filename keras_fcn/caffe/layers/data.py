"""Sources of a network's blobs: Input, and the data layers of training nets.

Data layers become inputs; sizes that only their source tells are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import NO_FIELDS, Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer
from keras_fcn.caffe.layers.spatial import SOURCE, Spatial
from keras_fcn.caffe.layers.values import LAYER, held
from keras_fcn.caffe.records import dataclass


@caffe_layer("Input")
@dataclass(frozen=True, kw_only=True)
class Input(LayerParams):
    """`InputParameter`: one shape for every top, or one for all."""

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "input_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)
    places: ClassVar[Spatial | None] = SOURCE

    shape: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if any(size < 0 for shape in self.shape for size in shape):
            raise NetworkError(f"shape: {self.shape} has a negative size")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The shape of each top; an Input without a shape is taken for an image of any size."""
        if not self.shape:
            return ((None, None, None, None),) * tops
        if len(self.shape) not in (1, tops):
            raise NetworkError(f"{len(self.shape)} shapes for {tops} tops; give 1 or {tops}")
        return self.shape * tops if len(self.shape) == 1 else self.shape


@caffe_layer("Data", "ImageData", "MemoryData", "WindowData")
@dataclass(frozen=True, kw_only=True)
class DataLayer(LayerParams):
    """A source of (data, label) batches: images first, then labels.

    `fields` holds what its parameter messages say, e.g.
    `fields["data_param"]["source"]` and `fields["transform_param"]["crop_size"]`.
    """

    has_gradient: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)
    open_axes: ClassVar[bool] = False
    """Whether only the data, or who reads them, tell how many axes the tops have."""
    places: ClassVar[Spatial | None] = SOURCE

    fields: Mapping[str, Any] = NO_FIELDS

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        return cls(fields=layer.fields)

    def write(self) -> Fields:
        return Fields(held(self.fields, LAYER))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, H, W) for the images, (N,) for labels; the batch is left open."""
        return (self._image(), *((None,),) * (tops - 1))

    def _image(self) -> Shape:
        """Shape of an image as far as the parameters tell it; the source holds the rest."""
        memory = self.fields.get("memory_data_param")
        if memory is not None:
            return (None, *(memory.get(size) for size in ("channels", "height", "width")))
        transform = self.fields.get("transform_param", {})
        return (None, self._channels(transform), *self._size(transform))

    def _size(self, transform: Mapping[str, Any]) -> tuple[int | None, int | None]:
        """Height and width after cropping, else after resizing."""
        images = self.fields.get("image_data_param", {})
        resized = transform.get("resize_param", {})
        if resized.get("resize_mode") == "FIT_SMALL_SIZE":  # the other side follows the image
            resized = {}
        height, width = (
            transform.get("crop_size")
            or transform.get(f"crop_{axis[0]}")
            or transform.get(f"crop_{axis}")
            or resized.get(axis)
            or images.get(f"new_{axis}")
            or None
            for axis in ("height", "width")
        )
        return height, width

    def _channels(self, transform: Mapping[str, Any]) -> int | None:
        means = transform.get("mean_value", ())
        if len(means) > 1:
            return len(means)
        if transform.get("force_gray"):
            return 1
        forced = self.fields.get("data_param", {}).get("force_encoded_color")
        if transform.get("force_color") or forced or "window_data_param" in self.fields:
            return 3
        images = self.fields.get("image_data_param")
        return None if images is None else 3 if images.get("is_color", True) else 1


@caffe_layer("HDF5Data")
@dataclass(frozen=True, kw_only=True)
class HDF5Data(DataLayer):
    """Blobs of any shapes, each a data set of that name in the files; nothing is cropped."""

    open_axes: ClassVar[bool] = True


class UnknownSource(DataLayer):
    """A layer of unknown type without bottoms: a Python layer's or a fork's data."""

    open_axes: ClassVar[bool] = True


@caffe_layer("DenseImageData")
@dataclass(frozen=True, kw_only=True)
class DenseImageData(DataLayer):
    """A source of (images, label maps), one label a pixel.

    Source: SegNet's and ENet's Caffe, `src/caffe/layers/dense_image_data_layer.cpp`.
    """

    top_count: ClassVar[tuple[int, int | None]] = (2, 2)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, H, W) and (N, 1, H, W); label maps may be smaller by a factor."""
        own = self.fields.get("dense_image_data_param", {})
        side = self.fields.get("transform_param", {}).get("crop_size")
        crop = side or own.get("crop_height") or None, side or own.get("crop_width") or None
        size = own.get("new_height") or None, own.get("new_width") or None
        factor = max(own.get("label_divide_factor", 1), 1)
        labels = tuple(None if pixels is None else pixels // factor for pixels in size)
        if None not in crop:
            size = labels = crop
        channels = 3 if own.get("is_color", True) else 1
        return ((None, channels, *size), (None, 1, *labels))


@caffe_layer("ImageSegData")
@dataclass(frozen=True, kw_only=True)
class ImageSegData(DataLayer):
    """A source of (images, label maps, sizes), one label a pixel.

    Source: DeepLab's Caffe, `src/caffe/layers/image_seg_data_layer.cpp`.
    """

    top_count: ClassVar[tuple[int, int | None]] = (1, 3)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, H, W), (N, 1, H, W), and height and width of each image, (N, 1, 1, 2)."""
        image = self._image()
        return (image, (None, 1, *image[2:]), (None, 1, 1, 2))[:tops]


@caffe_layer("VideoData")
@dataclass(frozen=True, kw_only=True)
class VideoData(DataLayer):
    """A source of (clips, labels), one label a clip.

    Source: facebookarchive/C3D, `src/caffe/layers/video_data_layer.cpp`; SSD's layer of that
    name, which has a `video_data_param`, gives single images.
    """

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, L, H, W), L the frames of a clip, and (N,)."""
        if "image_data_param" not in self.fields:
            return super().top_shapes(bottoms, tops)
        return (self._clip(), *((None,),) * (tops - 1))

    def _clip(self) -> Shape:
        own = self.fields.get("image_data_param", {})
        height, width = (
            own.get("crop_size") or own.get(f"new_{axis}") or None for axis in ("height", "width")
        )
        return (None, 3, own.get("new_length") or None, height, width)


@caffe_layer("VideoSegmentationData", "VideoWithVoxelTruthData")
@dataclass(frozen=True, kw_only=True)
class VoxelData(VideoData):
    """A source of (clips, label clips), one label, or several numbers, a voxel.

    Source: facebookarchive/C3D, `src/caffe/layers/video_with_voxel_truth_data_layer.cpp`.
    """

    top_count: ClassVar[tuple[int, int | None]] = (2, 2)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, L, H, W) and (N, C', L, H, W)."""
        clip = self._clip()
        truth = self.fields.get("image_data_param", {}).get("num_truth_channels", 1)
        return (clip, (None, truth, *clip[2:]))


@caffe_layer("HDF5Output")
@dataclass(frozen=True, kw_only=True)
class HDF5Output(LayerParams):
    """`HDF5OutputParameter`: a sink; a Keras model gives its outputs itself."""

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "hdf5_output_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    top_count: ClassVar[tuple[int, int | None]] = (0, 0)
    places: ClassVar[Spatial | None] = SOURCE

    file_name: str = ""

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ()
