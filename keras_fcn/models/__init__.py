"""Ready-made networks, one file an architecture, in keras.applications style."""

from keras_fcn.models.alexnet import AlexNet
from keras_fcn.models.caffenet import CaffeNet, CaffeNetFCN
from keras_fcn.models.dilated import (
    DilatedNetCamVid,
    DilatedNetCityscapes,
    DilatedNetFrontEnd,
    DilatedNetKITTI,
    DilatedNetPascalVOC,
)
from keras_fcn.models.enet import ENet
from keras_fcn.models.fcn import FCN8s, FCN8sAtOnce, FCN16s, FCN32s
from keras_fcn.models.fcn_alexnet import FCNAlexNet
from keras_fcn.models.googlenet import GoogLeNet
from keras_fcn.models.lenet import LeNet, LeNetFCN
from keras_fcn.models.mobilenet import MobileNet
from keras_fcn.models.mobilenet_v2 import MobileNetV2
from keras_fcn.models.nin import NIN
from keras_fcn.models.resnet import ResNet50, ResNet101, ResNet152
from keras_fcn.models.segnet import BayesianSegNet, SegNet
from keras_fcn.models.segnet_basic import BayesianSegNetBasic, SegNetBasic
from keras_fcn.models.squeezenet import SqueezeNet, SqueezeNet11
from keras_fcn.models.vgg import VGG16, VGG19

__all__ = [
    "NIN",
    "VGG16",
    "VGG19",
    "AlexNet",
    "BayesianSegNet",
    "BayesianSegNetBasic",
    "CaffeNet",
    "CaffeNetFCN",
    "DilatedNetCamVid",
    "DilatedNetCityscapes",
    "DilatedNetFrontEnd",
    "DilatedNetKITTI",
    "DilatedNetPascalVOC",
    "ENet",
    "FCN8s",
    "FCN8sAtOnce",
    "FCN16s",
    "FCN32s",
    "FCNAlexNet",
    "GoogLeNet",
    "LeNet",
    "LeNetFCN",
    "MobileNet",
    "MobileNetV2",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "SegNet",
    "SegNetBasic",
    "SqueezeNet",
    "SqueezeNet11",
]
