"""The networks of ``keras_fcn.models`` by their names on the command line."""

from __future__ import annotations

from collections.abc import Mapping

CONSTRUCTORS: Mapping[str, str] = {
    "caffenet": "CaffeNet",
    "caffenet_fcn": "CaffeNetFCN",
    "lenet": "LeNet",
    "lenet_fcn": "LeNetFCN",
    "alexnet": "AlexNet",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "googlenet": "GoogLeNet",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "squeezenet": "SqueezeNet",
    "squeezenet11": "SqueezeNet11",
    "nin": "NIN",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "fcn32s": "FCN32s",
    "fcn16s": "FCN16s",
    "fcn8s": "FCN8s",
    "fcn8s_at_once": "FCN8sAtOnce",
    "fcn_alexnet": "FCNAlexNet",
    "dilatednet_front_end": "DilatedNetFrontEnd",
    "dilatednet_pascal_voc": "DilatedNetPascalVOC",
    "dilatednet_camvid": "DilatedNetCamVid",
    "dilatednet_cityscapes": "DilatedNetCityscapes",
    "dilatednet_kitti": "DilatedNetKITTI",
    "segnet": "SegNet",
    "segnet_basic": "SegNetBasic",
    "bayesian_segnet": "BayesianSegNet",
    "bayesian_segnet_basic": "BayesianSegNetBasic",
    "enet": "ENet",
}
"""Name on the command line -> function of ``keras_fcn.models``."""

KINDS = (
    f"{', '.join(CONSTRUCTORS)}, the name of a published model (keras-fcn models), a .keras file, "
    "a SavedModel folder or a prototxt"
)
