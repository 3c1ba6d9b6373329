"""ENet and ICNet, small: their blocks, built for testing and for training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from tests.keras_fcn.builder.texts import data
from tests.keras_fcn.layers.checks import reloaded

CLASSES = 4


def layer(kind: str, name: str, bottoms: str, fields: str = "", top: str = "") -> str:
    """A layer; blobs are separated by spaces, and the top is called like the layer."""
    blobs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    blobs += "".join(f' top: "{blob}"' for blob in (top or name).split())
    return f'layer {{ name: "{name}" type: "{kind}" {blobs} {fields} }}\n'


def convolution(name: str, bottom: str, count: int, fields: str = "kernel_size: 1") -> str:
    fields = f'num_output: {count} weight_filler {{ type: "msra" }} {fields}'
    return layer("Convolution", name, bottom, f"convolution_param {{ {fields} }}")


class ENet:
    """Blocks of ENet as TimoSaemann/ENet's create_enet_prototxt.py lays them."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.text = ""

    def norm(self, name: str, bottom: str) -> str:
        mode = "LEARN" if self.phase == "TRAIN" else "INFERENCE"
        fillers = "scale_filler { value: 1 } shift_filler { value: 0.001 }"
        fields = f"bn_param {{ {fillers} bn_mode: {mode} }}"
        self.text += layer("BN", f"bn{name}", bottom, f"param {{ }} param {{ }} {fields}")
        return f"bn{name}"

    def active(self, name: str, bottom: str) -> str:
        self.text += layer("PReLU", f"prelu{name}", bottom)
        return f"prelu{name}"

    def conv(self, name: str, bottom: str, count: int, fields: str = "kernel_size: 1") -> str:
        self.text += convolution(f"conv{name}", bottom, count, fields)
        return f"conv{name}"

    def bottleneck(self, name: str, bottom: str, count: int, kind: str, mask: str = "") -> str:
        """One bottleneck; returns its top."""
        x = bottom
        first = "kernel_size: 2 stride: 2 bias_term: false" if kind == "down" else "kernel_size: 1"
        x = self.conv(f"{name}_0", x, count // 2, first)
        x = self.active(f"{name}_0", self.norm(f"{name}_0", x))
        if kind == "asymmetric":
            x = self.conv(f"{name}_1_a", x, count // 2, "kernel_h: 5 kernel_w: 1 pad_h: 2 pad_w: 0")
            x = self.conv(f"{name}_1", x, count // 2, "kernel_h: 1 kernel_w: 5 pad_h: 0 pad_w: 2")
        elif kind == "dilated":
            x = self.conv(f"{name}_1", x, count // 2, "kernel_size: 3 pad: 2 dilation: 2")
        elif kind == "up":
            fields = f"convolution_param {{ num_output: {count // 2} kernel_size: 2 stride: 2 }}"
            self.text += layer("Deconvolution", f"deconv{name}_1", x, fields)
            x = f"deconv{name}_1"
        else:
            x = self.conv(f"{name}_1", x, count // 2, "kernel_size: 3 pad: 1")
        x = self.active(f"{name}_1", self.norm(f"{name}_1", x))
        x = self.norm(f"{name}_2", self.conv(f"{name}_2", x, count))
        param = f"{{'phase': '{self.phase}', 'p': '0.1'}}"
        python = f'module: "spatial_dropout" layer: "SpatialDropoutLayer" param_str: "{param}"'
        self.text += layer("Python", f"drop{name}", x, f"python_param {{ {python} }}")
        other = bottom
        if kind == "down":
            pooling = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
            tops = f"pool{name} pool{name}_mask"
            self.text += layer("Pooling", f"pool{name}", bottom, pooling, tops)
            other = self.norm(f"{name}_4", self.conv(f"{name}_4", f"pool{name}", count))
        elif kind == "up":
            other = self.norm(f"{name}_4", self.conv(f"{name}_4", bottom, count))
            self.text += layer(
                "Upsample", f"up{name}", f"{other} {mask}", "upsample_param { scale: 2 }"
            )
            other = f"up{name}"
        self.text += layer("Eltwise", f"sum{name}", f"drop{name} {other}")
        return self.active(f"{name}_4", f"sum{name}")

    def net(self) -> str:
        """The whole network, with a loss where it is for training."""
        if self.phase == "TRAIN":
            dense = 'dense_image_data_param { source: "train.txt" batch_size: 2 }'
            self.text = layer("DenseImageData", "data", "", dense, "data label")
        else:
            self.text = data(1, 3, 32, 48)
        conv = self.conv("0", "data", 5, "kernel_size: 3 pad: 1 stride: 2")
        self.text += layer("Pooling", "pool0", "data", "pooling_param { kernel_size: 2 stride: 2 }")
        self.text += layer("Concat", "concat0", f"{conv} pool0")
        x = self.active("0", self.norm("0", "concat0"))
        x = self.bottleneck("1", x, 8, "down")
        x = self.bottleneck("2", x, 8, "regular")
        x = self.bottleneck("3", x, 8, "dilated")
        x = self.bottleneck("4", x, 8, "asymmetric")
        x = self.bottleneck("5", x, 8, "up", mask="pool1_mask")
        fields = f"convolution_param {{ num_output: {CLASSES} kernel_size: 2 stride: 2 "
        self.text += layer(
            "Deconvolution", "scores", x, fields + 'weight_filler { type: "gaussian" std: 0.1 } } '
        )
        if self.phase == "TRAIN":
            loss = "loss_param { ignore_label: 255 weight_by_label_freqs: false }"
            return self.text + layer("SoftmaxWithLoss", "loss", "scores label", loss)
        return self.text + layer("Softmax", "prob", "scores")


class ICNet:
    """Blocks of ICNet as hszhao/ICNet's icnet_cityscapes_bnnomerge.prototxt lays them."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.text = ""

    def conv(
        self, name: str, bottom: str, count: int, fields: str = "kernel_size: 1", relu: bool = True
    ) -> str:
        self.text += convolution(name, bottom, count, f"{fields} bias_term: false")
        frozen = "frozen: true" if self.phase == "TEST" else ""
        norm = f"bn_param {{ slope_filler {{ value: 1 }} momentum: 0.95 {frozen} }}"
        param = "param { lr_mult: 1 decay_mult: 0 } " * 2 + "param { lr_mult: 0 } " * 2
        self.text += layer("BN", f"{name}/bn", name, param + norm, top=name)
        if relu:
            self.text += layer("ReLU", f"{name}/relu", name, top=name)
        return name

    def block(self, name: str, bottom: str, count: int, fields: str, same: bool = True) -> str:
        """A residual block."""
        x = self.conv(f"{name}_1x1_reduce", bottom, count // 2)
        x = self.conv(f"{name}_3x3", x, count // 2, f"kernel_size: 3 {fields}")
        x = self.conv(f"{name}_1x1_increase", x, count, relu=False)
        other = bottom if same else self.conv(f"{name}_1x1_proj", bottom, count, relu=False)
        self.text += layer("Eltwise", name, f"{other} {x}", "eltwise_param { operation: SUM }")
        self.text += layer("ReLU", f"{name}/relu", name, top=name)
        return name

    def interp(self, name: str, bottom: str, fields: str) -> str:
        self.text += layer("Interp", name, bottom, f"interp_param {{ {fields} }}")
        return name

    def fuse(self, name: str, small: str, large: str, count: int) -> str:
        """A branch joined with one of twice its size."""
        x = self.interp(f"{name}_interp", small, "zoom_factor: 2")
        x = self.conv(f"conv_{name}", x, count, "kernel_size: 3 pad: 2 dilation: 2", relu=False)
        y = self.conv(f"{name}_proj", large, count, relu=False)
        self.text += layer("Eltwise", f"{name}_sum", f"{y} {x}")
        self.text += layer("ReLU", f"{name}_sum/relu", f"{name}_sum", top=f"{name}_sum")
        return f"{name}_sum"

    def net(self) -> str:
        """The whole network: 33 x 65 pixels, pyramid of pools at 3 x 5."""
        self.text = data(2, 3, 33, 65)
        self.text += layer("Scale", "data_sub1", "data", "scale_param { filler { value: 1 } }")
        half = self.interp("data_sub2", "data_sub1", "shrink_factor: 2")
        x = self.conv("conv1", half, 6, "kernel_size: 3 pad: 1 stride: 2")
        middle = self.block("conv2", x, 8, "pad: 1", same=False)
        x = self.interp("conv2_sub4", middle, "shrink_factor: 2")
        x = self.block("conv3", x, 8, "pad: 2 dilation: 2")
        pools = []
        for name, kernel, stride in (("1", (5, 9), (5, 9)), ("2", (3, 5), (2, 4))):
            fields = "kernel_h: {} kernel_w: {} stride_h: {} stride_w: {}".format(*kernel, *stride)
            pool = f"pooling_param {{ pool: AVE {fields} }}"
            self.text += layer("Pooling", f"pool{name}", x, pool)
            pools.append(self.interp(f"pool{name}_interp", f"pool{name}", "height: 5 width: 9"))
        self.text += layer("Eltwise", "sum", " ".join((x, *pools)))
        x = self.fuse("sub24", self.conv("conv4", "sum", 6), middle, 6)
        large = self.conv("conv1_sub1", "data_sub1", 4, "kernel_size: 3 pad: 1 stride: 2")
        x = self.fuse("sub12", x, large, 6)
        x = self.interp("last_interp", x, "zoom_factor: 2")
        self.text += convolution("cls", x, CLASSES)
        if self.phase == "TRAIN":
            self.text += data(2, 1, 33, 65, name="label")
            loss = "loss_param { ignore_label: 255 }"
            self.text += layer("SoftmaxWithLoss", "loss", "cls label", loss)
        return self.text


NETS = pytest.mark.parametrize("net", [ENet, ICNet])


def build(net, phase, folder):
    path = folder / "net.prototxt"
    path.write_text(net(phase).net())
    return keras_fcn.from_caffe(path, phase=phase, seed=1)


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


@pytest.mark.slow
@NETS
def test_runs(net, tmp_path):
    model = build(net, "TEST", tmp_path)
    size = (32, 48) if net is ENet else (33, 65)
    x = images(2, *size, 3)
    scores = model.predict(x, verbose=0)
    assert scores.shape == (2, *size, CLASSES)
    assert np.isfinite(scores).all()
    assert scores.std() > 1e-3
    np.testing.assert_array_equal(reloaded(model, tmp_path).predict(x, verbose=0), scores)


@pytest.mark.slow
def test_enet_runs_at_other_sizes(tmp_path):
    model = build(ENet, "TEST", tmp_path)
    assert model.predict(images(3, 40, 16, 3), verbose=0).shape == (3, 40, 16, CLASSES)


@pytest.mark.slow
@NETS
def test_trains(net, tmp_path):
    keras.utils.set_random_seed(0)
    model = build(net, "TRAIN", tmp_path)
    size = (32, 48) if net is ENet else (33, 65)
    labels = np.zeros((2, *size, 1), "float32")
    labels[:, size[0] // 2 :] = 1
    labels[:, 0] = 255
    x = images(2, *size, 3) + labels % 255
    # Ten steps are done before a graph would be.
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, loss=lambda target, loss: loss, run_eagerly=True)
    before = [np.asarray(weight) for weight in model.trainable_weights]
    history = model.fit([x, labels], np.zeros(2), batch_size=2, epochs=10, verbose=0).history
    losses = history["loss"]
    assert losses[-1] < 0.7 * losses[0], losses
    unmoved = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(weight, old)
    ]
    assert not unmoved


@pytest.mark.slow
def test_a_trained_enet_is_put_to_use_with_its_weights(tmp_path):
    """What has been learned goes from the training net into the one for testing."""
    training, testing = (build(ENet, phase, tmp_path) for phase in ("TRAIN", "TEST"))
    names = {layer.name for layer in training.layers if layer.weights}
    assert names == {layer.name for layer in testing.layers if layer.weights}
    for name in names:
        testing.get_layer(name).set_weights(training.get_layer(name).get_weights())
