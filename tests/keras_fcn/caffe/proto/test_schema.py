"""The schema, and that typed parameters cover it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import LAYER_TYPES, LayerParams
from keras_fcn.caffe.proto import forks, schema
from keras_fcn.caffe.proto.definitions import layer_definition
from keras_fcn.caffe.proto.upgrade import v1_type_name
from tests.keras_fcn.caffe import writer

# What a type needs besides the field that is looked at.
MINIMAL = {
    "BoxAnnotatorOHEM": "box_annotator_ohem_param { roi_per_img: 1 }",
    "Clip": "clip_param { min: -1 max: 1 }",
    "Convolution": "convolution_param { num_output: 2 kernel_size: 1 }",
    "PixelShuffle": "reshape_param { pixelshuffler: 2 }",
    "Convolution3D": "convolution3d_param { num_output: 2 kernel_size: 1 kernel_depth: 1 }",
    "ConvolutionDepthWise": "convolution_param { num_output: 2 kernel_size: 1 }",
    "ConvolutionDepthwise": "convolution_param { num_output: 2 kernel_size: 1 }",
    "Correlation": "correlation_param { kernel_size: 1 max_displacement: 1 }",
    "Correlation1D": "correlation_param { kernel_size: 1 max_displacement: 1 }",
    "Deconvolution3D": "convolution3d_param { num_output: 2 kernel_size: 1 kernel_depth: 1 }",
    "Deconvolution": "convolution_param { num_output: 2 kernel_size: 1 }",
    "DepthwiseConv": "convolution_param { num_output: 2 kernel_size: 1 }",
    "DepthwiseConvolution": "convolution_param { num_output: 2 kernel_size: 1 }",
    "DetectionEvaluate": "detection_evaluate_param { num_classes: 2 }",
    "DetectionOutput": "detection_output_param { num_classes: 2 }",
    "DetectionOutputExtended": "detection_output_param { num_classes: 2 }",
    "DummyData": 'top: "a" dummy_data_param { shape { dim: 1 } }',
    "Embed": "embed_param { num_output: 2 input_dim: 2 }",
    "Im2col": "convolution_param { kernel_size: 1 }",
    "InfogainLoss": 'infogain_loss_param { source: "matrix" }',
    "InnerProduct": "inner_product_param { num_output: 2 }",
    "Interp": "interp_param { zoom_factor: 2 }",
    "LSTM": 'bottom: "a" bottom: "b" top: "c" recurrent_param { num_output: 2 }',
    "MultiBoxLoss": "multibox_loss_param { num_classes: 2 }",
    "PSROIPooling": "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 1 }",
    "Pooling": "pooling_param { kernel_size: 2 }",
    "Pooling3D": "pooling3d_param { kernel_size: 2 kernel_depth: 2 }",
    "PriorBox": "prior_box_param { min_size: 2 }",
    "PriorBoxClustered": "prior_box_param { width: 2 height: 2 }",
    "Proposal": "proposal_param { ratio: 1 scale: 1 }",
    "RNN": 'bottom: "a" bottom: "b" top: "c" recurrent_param { num_output: 2 }',
    "ROIPooling": "roi_pooling_param { pooled_h: 1 pooled_w: 1 }",
    "Reorg": "reorg_param { stride: 2 }",
    "SPP": "spp_param { pyramid_height: 2 }",
    "Tile": "tile_param { tiles: 2 }",
    "YoloDetectionOutput": "yolo_detection_output_param { num_classes: 2 }",
    "Yolov3DetectionOutput": "yolov3_detection_output_param { num_classes: 2 }",
}
# Parameters that follow from more than one field.
DERIVED = {"LSTM": {"static_input"}, "RNN": {"static_input"}}
# The field is called lambda, a word of Python.
DERIVED |= {name: {"scale"} for name in ("SeLu", "SeLU", "SELU", "Selu")}

_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)

# The parameter messages of each type that has some.
MESSAGES = {
    name: getattr(cls, "messages", ()) or (cls.message,)
    for name, cls in LAYER_TYPES.items()
    if cls.message is not None or getattr(cls, "messages", ())
}


def described(message: str) -> Any:
    return schema.new("LayerParameter").DESCRIPTOR.fields_by_name[message].message_type


FIELDS = [
    (name, message, field.name)
    for name, messages in MESSAGES.items()
    for message in messages
    for field in described(message).fields
]

# LayerType of V1LayerParameter, and the type that src/caffe/util/upgrade_proto.cpp gives it.
V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DECONVOLUTION": "Deconvolution",
    "DATA": "Data",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "ELTWISE": "Eltwise",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "SLICE": "Slice",
    "TANH": "TanH",
    "WINDOW_DATA": "WindowData",
    "THRESHOLD": "Threshold",
}

# The same of forks: the types of each fork's caffe.proto, and the layers that it makes of them.
FORKS_V1_TYPES = {
    "CROP": "Crop",  # FCN
    "RELU6": "ReLU6",
    "CONVOLUTION3D": "Convolution3D",  # C3D 1.0, and what follows
    "POOLING3D": "Pooling3D",
    "DECONVOLUTION3D": "Deconvolution3D",
    "VOLUME_DATA": "VolumeData",
    "VIDEO_DATA": "VideoData",
    "VIDEO_SEGMENTATION_DATA": "VideoSegmentationData",
    "VIDEO_WITH_VOXEL_TRUTH_DATA": "VideoWithVoxelTruthData",
    "VOXEL_SOFTMAX": "Softmax",
    "VOXEL_SOFTMAX_LOSS": "SoftmaxWithLoss",
    "VOXEL_CUSTOM_LOSS": "VoxelCustomLoss",
    "DOWN_SAMPLING": "DownSampling",
    "ELTWISE_PRODUCT": "Eltwise",
    "IMAGE_SEG_DATA": "ImageSegData",  # DeepLab
    "DENSE_IMAGE_DATA": "DenseImageData",  # SegNet
    "BN": "BN",
    "UPSAMPLE": "Upsample",
    "INTERP": "Interp",
    "ROI_POOLING": "ROIPooling",  # Fast R-CNN
    "SMOOTH_L1_LOSS": "SmoothL1Loss",
}


def _layer(name: str) -> Any:
    return writer.text("LayerParameter", MINIMAL.get(name, ""))


def _read(cls: type[LayerParams], message: Any) -> LayerParams:
    definition = layer_definition(message)
    return cls.variant(definition).read(definition)


def _set(message: Any, field: Any, default: Any) -> None:
    """Give a field another value than its default."""
    owner = getattr(message, field.name)
    if field.message_type is not None and field.is_repeated:
        owner.add().SetInParent()
    elif field.message_type is not None:
        for inner in field.message_type.fields:
            _set(owner, inner, None)
    elif field.is_repeated:
        owner.append("other" if field.cpp_type == field.CPPTYPE_STRING else 3)
    elif field.enum_type is not None:
        labels = [value for value in field.enum_type.values if value.name != default]
        setattr(message, field.name, labels[-1].number)
    elif field.cpp_type == field.CPPTYPE_BOOL:
        setattr(message, field.name, not default)
    elif field.cpp_type == field.CPPTYPE_STRING:
        setattr(message, field.name, "other")
    else:
        setattr(
            message, field.name, 0.25 if field.cpp_type in _FLOATS else 4 if default == 3 else 3
        )


@pytest.mark.sweep(5)
@pytest.mark.parametrize(("type_name", "message_name", "field_name"), FIELDS)
def test_no_field_is_dropped_in_silence(type_name, message_name, field_name):
    cls = LAYER_TYPES[type_name]
    plain, changed = _read(cls, _layer(type_name)), _layer(type_name)
    field = described(message_name).fields_by_name[field_name]
    _set(getattr(changed, message_name), field, getattr(plain, field_name, None))
    try:
        params = _read(cls, changed)
    except NetworkError as error:
        if "has no meaning" in str(error):
            pytest.fail(f"{type_name} does not know {field_name}")
        return
    assert params != plain or field_name in cls.without_effect


@pytest.mark.parametrize("type_name", MESSAGES)
def test_typed_parameters_name_fields_of_the_messages(type_name):
    cls = LAYER_TYPES[type_name]
    known = {field.name for m in MESSAGES[type_name] for field in described(m).fields}
    named = {field.name for field in dataclasses.fields(cls)} - DERIVED.get(type_name, set())
    assert named <= known
    assert cls.without_effect - {"engine"} <= known


@pytest.mark.parametrize("type_name", MESSAGES)
def test_enum_fields_hold_labels(type_name):
    cls = LAYER_TYPES[type_name]
    plain = _read(cls, _layer(type_name))
    for message_name in MESSAGES[type_name]:
        for field in described(message_name).fields:
            if field.enum_type is None or not hasattr(plain, field.name):
                continue
            assert getattr(plain, field.name) in field.enum_type.values_by_name
            for value in field.enum_type.values:
                layer = _layer(type_name)
                setattr(getattr(layer, message_name), field.name, value.number)
                assert getattr(_read(cls, layer), field.name) == value.name


def test_v1_type_names_are_complete():
    labels = schema.new("V1LayerParameter").DESCRIPTOR.fields_by_name["type"].enum_type
    known = V1_TYPES | FORKS_V1_TYPES
    assert {value.name for value in labels.values} == set(known)
    assert {label: v1_type_name(label) for label in known} == known


def test_v1_parameters_have_the_same_field_in_the_current_form():
    new = schema.new("LayerParameter").DESCRIPTOR.fields_by_name
    for field in schema.new("V1LayerParameter").DESCRIPTOR.fields:
        if field.name.endswith("_param"):
            assert new[field.name].message_type is field.message_type


def test_every_filler_field_is_typed():
    from keras_fcn.caffe.layers import Filler

    message = schema.new("FillerParameter").DESCRIPTOR
    ours = {field.name for field in message.fields if not forks.is_forks(field)}
    assert {field.name for field in dataclasses.fields(Filler)} == ours


def test_no_message_holds_itself():
    """Readers recurse as deep as messages nest, so the nesting must be finite."""

    def depth(message: Any, above: tuple[Any, ...]) -> int:
        assert message not in above, f"{message.name} holds itself"
        nested = [f.message_type for f in message.fields if f.message_type is not None]
        return 1 + max((depth(inner, (*above, message)) for inner in nested), default=0)

    assert depth(schema.new("NetParameter").DESCRIPTOR, ()) < 10


def test_messages_stay_out_of_the_shared_pool():
    """A caffe_pb2 that a user imports registers the same names in the shared pool."""
    code = """
from keras_fcn.caffe.proto import forks, schema
from keras_fcn.caffe.proto.definitions import layer_definition
schema.new("NetParameter")
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
file.message_type.add(name="NetParameter").field.add(name="x", number=1, label=1, type=9)
descriptor_pool.Default().Add(file)
print(descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter").fields_by_name.keys())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "'x'" in result.stdout
