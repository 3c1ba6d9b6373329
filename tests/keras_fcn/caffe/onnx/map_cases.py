"""Layers of forks that make maps or vectors."""

from __future__ import annotations

from tests.keras_fcn.caffe.onnx.fork_cases import case


def spatial_dropout(phase: str) -> str:
    """ENet's Python layer; the phase is the layer's own."""
    text = f"{{'phase': '{phase}', 'p': '0.2'}}"
    module = 'module: "spatial_dropout" layer: "SpatialDropoutLayer"'
    return f'python_param {{ {module} param_str: "{text}" }}'


MAPS = {
    "interp_size": case("Interp", "interp_param { height: 9 width: 4 }", data=(2, 3, 5, 6)),
    "interp_of_one": case("Interp", "interp_param { height: 1 width: 3 }", data=(2, 3, 5, 1)),
    "interp_to_one": case("Interp", "interp_param { height: 1 width: 1 }", data=(2, 3, 5, 7)),
    "interp_zoom": case(
        "Interp", "interp_param { zoom_factor: 3 }", other=(4, 9), data=(2, 3, 5, 6)
    ),
    "interp_shrink": case(
        "Interp", "interp_param { shrink_factor: 2 }", other=(6, 8), data=(2, 3, 9, 7)
    ),
    "interp_both": case(
        "Interp",
        "interp_param { shrink_factor: 2 zoom_factor: 3 pad_beg: -1 pad_end: -2 }",
        other=(10, 7),
        data=(2, 3, 9, 8),
    ),
    "interp_cut_beginning": case(
        "Interp", "interp_param { zoom_factor: 2 pad_beg: -2 }", other=(7, 7), data=(2, 3, 9, 8)
    ),
    "interp_like": case("Interp", other=(3, 5), data=(2, 3, 5, 6), like=(2, 1, 8, 11)),
    "nearest_upsample": case(
        "Upsample", "upsample_param { scale: 3 }", other=(2, 7), data=(2, 3, 4, 5)
    ),
    "spatial_dropout": case("Python", spatial_dropout("TEST"), other=(3, 7), data=(2, 3, 4, 5)),
    "spatial_dropout_trained": case("Python", spatial_dropout("TRAIN"), data=(2, 3, 4, 5)),
    "segnet_bn_learn": case("BN", "bn_param { bn_mode: LEARN }", data=(2, 3, 4, 5)),
    "segnet_bn_statistics": case(
        "BN", 'top: "y" top: "m" top: "v" bn_param { bn_mode: LEARN }', data=(2, 3, 4, 5)
    ),
    "segnet_bn_inference": case(
        "BN", "bn_param { bn_mode: INFERENCE }", other=(3, 7), data=(2, 3, 4, 5)
    ),
    "pspnet_bn": case("BN", "bn_param { frozen: true eps: 0.01 }", other=(3, 7), data=(2, 3, 4, 5)),
    "pspnet_bn_other_axis": case("BN", "bn_param { frozen: true axis: 2 }", data=(2, 3, 4, 5)),
    "pspnet_bn_vectors": case("BN", "bn_param { frozen: false }", data=(2, 3)),
    "normalize_channels": case(
        "Normalize",
        "norm_param { across_spatial: false channel_shared: false }",
        other=(2, 6),
        data=(2, 3, 4, 5),
    ),
    "normalize_all": case(
        "Normalize",
        "norm_param { across_spatial: true channel_shared: true eps: 0.1 }",
        data=(2, 3, 4, 5),
    ),
    "normalize_vectors": case(
        "Normalize", "norm_param { across_spatial: false channel_shared: false }", data=(2, 3)
    ),
    "unit_l2": case(
        "Normalize", 'normalize_param { normalize_type: "L2" }', other=(2, 6), data=(2, 3, 4, 5)
    ),
    "unit_l1": case("Normalize", 'normalize_param { normalize_type: "L1" }', data=(2, 3)),
    "stochastic": case(
        "Pooling",
        "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
        other=(6, 10),
        positive=(2, 3, 8, 7),
    ),
    "stochastic_global": case(
        "Pooling", "pooling_param { pool: STOCHASTIC global_pooling: true }", positive=(2, 3, 8, 7)
    ),
    "convolution3d": case(
        "Convolution3D",
        "convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 2 pad: 1 "
        "temporal_pad: 1 stride: 2 temporal_stride: 1 }",
        data=(2, 3, 4, 7, 6),
    ),
    "convolution3d_without_bias": case(
        "Convolution3D",
        "convolution3d_param { num_output: 4 kernel_size: 1 kernel_depth: 3 bias_term: false }",
        data=(2, 3, 4, 7, 6),
    ),
    "deconvolution3d": case(
        "Deconvolution3D",
        "convolution3d_param { num_output: 4 kernel_size: 4 kernel_depth: 2 pad: 1 "
        "stride: 2 temporal_stride: 2 }",
        data=(2, 3, 2, 5, 4),
    ),
    "pooling3d_max": case(
        "Pooling3D",
        "pooling3d_param { pool: MAX kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
        data=(2, 3, 5, 7, 6),
    ),
    "pooling3d_max_behind": case(
        "Pooling3D",
        "pooling3d_param { pool: MAX kernel_size: 1 kernel_depth: 2 stride: 3 temporal_stride: 1 }",
        data=(2, 3, 5, 6, 6),
    ),
    "pooling3d_ave": case(
        "Pooling3D",
        "pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 2 stride: 2 "
        "temporal_stride: 2 pad: 1 }",
        data=(2, 3, 5, 7, 6),
    ),
    "resample_linear": case("Resample", "resample_param { height: 4 width: 9 }", data=(2, 3, 7, 5)),
    "resample_cubic_like": case(
        "Resample",
        "resample_param { type: CUBIC antialias: false }",
        data=(2, 3, 7, 5),
        like=(2, 1, 11, 8),
    ),
    "resample_cubic": case(
        "Resample", "resample_param { type: CUBIC height: 3 width: 3 }", data=(2, 3, 7, 8)
    ),
    "resample_nearest": case(
        "Resample", "resample_param { type: NEAREST height: 4 width: 9 }", data=(2, 3, 7, 5)
    ),
    "resize": case("Resize", "resize_param { height: 9 width: 4 }", data=(2, 3, 5, 6)),
    "resize_by_factor": case(
        "Resize",
        "resize_param { is_pyramid_test: true out_height_scale: 1.7 out_width_scale: 0.6 }",
        data=(2, 3, 5, 6),
    ),
    "flow_warp": case("FlowWarp", other=(7, 4), data=(2, 3, 5, 6), flow=(2, 2, 5, 6)),
    "flow_warp_nan": case(
        "FlowWarp",
        "flow_warp_param { fill_value: NOT_A_NUMBER }",
        other=(4, 4),
        data=(2, 3, 5, 6),
        flow=(2, 2, 5, 6),
    ),
    "accum": case("Accum", data=(2, 3, 5, 6), b=(2, 1, 7, 4)),
    "accum_divisible": case("Accum", "accum_param { size_divisible_by: 4 }", data=(2, 3, 5, 6)),
    "accum_reference": case(
        "Accum",
        "accum_param { have_reference: true }",
        other=(4, 7),
        data=(2, 3, 5, 6),
        b=(2, 1, 3, 4),
        like=(2, 1, 9, 8),
    ),
    "correlation": case(
        "Correlation",
        "correlation_param { kernel_size: 1 max_displacement: 2 pad: 2 }",
        other=(6, 9),
        data=(2, 3, 7, 8),
        b=(2, 3, 7, 8),
    ),
    "correlation_strides": case(
        "Correlation",
        "correlation_param { kernel_size: 3 max_displacement: 4 pad: 3 stride_1: 2 "
        "stride_2: 2 correlation_type: SUBTRACT }",
        other=(11, 8),
        data=(2, 3, 9, 10),
        b=(2, 3, 9, 10),
    ),
    "correlation_1d": case(
        "Correlation1D",
        "correlation_param { kernel_size: 1 max_displacement: 3 pad: 3 }",
        other=(3, 7),
        data=(2, 3, 4, 9),
        b=(2, 3, 4, 9),
    ),
    "correlation_1d_left": case(
        "Correlation1D",
        "correlation_param { kernel_size: 3 max_displacement: 2 pad: 1 single_direction: -1 }",
        other=(5, 12),
        data=(2, 3, 6, 9),
        b=(2, 3, 6, 9),
    ),
    "correlation_1d_right": case(
        "Correlation1D",
        "correlation_param { kernel_size: 1 max_displacement: 4 stride_2: 2 "
        "single_direction: 1 pad: 4 }",
        data=(2, 3, 4, 9),
        b=(2, 3, 4, 9),
    ),
}
