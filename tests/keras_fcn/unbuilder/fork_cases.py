"""A layer of each kind that forks of Caffe have: what it says, and its inputs."""

from __future__ import annotations

MAP = (2, 4, 6, 6)
ROIS = {"x": (1, 8, 6, 6), "rois": (3, 5)}
PRIORS = {"x": (1, 4, 3, 3), "image": (1, 3, 30, 30)}
RPN = {"scores": (1, 18, 3, 4), "deltas": (1, 36, 3, 4), "info": (1, 3)}
BOXES = {"loc": (2, 8), "conf": (2, 4), "priors": (1, 2, 8)}
PYTHON = 'type: "Python" python_param { module: "%s" layer: "%s" param_str: "%s" }'

CASES = {
    "accum": ('type: "Accum" accum_param { top_height: 9 top_width: 8 }', {"x": MAP, "z": MAP}),
    "accum_reference": (
        'type: "Accum" accum_param { have_reference: true }',
        {"x": MAP, "like": (2, 1, 9, 9)},
    ),
    "anchor_eval": (
        (
            'type: "EvalDetection" eval_detection_param { side: 3 num_class: 2 '
            "num_object: 5 biases: 1 biases: 2 biases: 3.5 biases: 4 biases: 5 biases: 6 biases: 7 "
            "biases: 8 biases: 9 biases: 10 nms: 0.4 }"
        ),
        {"x": (1, 35, 3, 3), "label": (1, 150)},
    ),
    "axpy": ('type: "Axpy"', {"a": (2, 4, 1, 1), "x": MAP, "z": MAP}),
    "bn_pspnet": (
        'type: "BN" bn_param { slope_filler { value: 1 } momentum: 0.8 eps: 0.001 frozen: true }',
        {"x": MAP},
    ),
    "bn_segnet": ('type: "BN" bn_param { bn_mode: INFERENCE }', {"x": MAP}),
    "box_annotator": (
        'type: "BoxAnnotatorOHEM" box_annotator_ohem_param { roi_per_img: 2 } top: "a" top: "b"',
        {"rois": (3, 5, 1, 1), "loss": (3, 1, 1, 1), "labels": (3, 1, 1, 1), "w": (3, 4, 1, 1)},
    ),
    "cluster": (
        PYTHON % ("caffe.layers.detectnet.clustering", "ClusterDetections", "64,49,16,.4,3,.02,8"),
        {"x": (1, 1, 3, 4), "boxes": (1, 4, 3, 4)},
    ),
    "convolution_3d": (
        (
            'type: "Convolution3D" convolution3d_param { num_output: 3 kernel_size: 3 '
            "kernel_depth: 2 "
            "pad: 1 temporal_pad: 1 stride: 2 }"
        ),
        {"x": (1, 2, 4, 6, 6)},
    ),
    "correlation": (
        (
            'type: "Correlation" correlation_param { kernel_size: 3 max_displacement: 2 pad: 3 '
            "stride_2: 2 correlation_type: SUBTRACT }"
        ),
        {"x": MAP, "z": MAP},
    ),
    "correlation_1d": (
        (
            'type: "Correlation1D" correlation_param { kernel_size: 1 max_displacement: 2 pad: 2 '
            "single_direction: -1 }"
        ),
        {"x": MAP, "z": MAP},
    ),
    "ctc_axes": ('type: "CTCDecoder" ctc_param { decode: IN_PLACE }', {"x": (2, 5, 1, 7)}),
    "ctc_greedy": (
        'type: "CTCGreedyDecoder" ctc_decoder_param { ctc_merge_repeated: false }',
        {"x": (7, 2, 5), "goes_on": (7, 2)},
    ),
    "ctc_indicators": ('type: "CTCDecoder"', {"x": (7, 2, 5), "goes_on": (7, 2)}),
    "deconvolution_3d": (
        (
            'type: "Deconvolution3D" convolution3d_param { num_output: 3 kernel_size: 4 '
            "kernel_depth: 2 pad: 1 stride: 2 temporal_stride: 2 bias_term: false }"
        ),
        {"x": (1, 2, 2, 3, 3)},
    ),
    "depthwise": (
        'type: "DepthwiseConvolution" convolution_param { num_output: 8 kernel_size: 3 pad: 1 }',
        {"x": MAP},
    ),
    "detection_evaluate": (
        (
            'type: "DetectionEvaluate" detection_evaluate_param { num_classes: 3 '
            "overlap_threshold: 0.4 evaluate_difficult_gt: false }"
        ),
        {"x": (1, 1, 4, 7), "truth": (1, 1, 2, 8)},
    ),
    "detection_output": (
        (
            'type: "DetectionOutput" detection_output_param { num_classes: 2 keep_top_k: 5 '
            "code_type: CENTER_SIZE nms_param { nms_threshold: 0.4 top_k: 7 eta: 0.9 } "
            "confidence_threshold: 0.1 }"
        ),
        BOXES,
    ),
    "detection_output_extended": (
        'type: "DetectionOutputExtended" detection_output_param { num_classes: 2 }',
        {"loc": (1, 4, 1, 2), "conf": (1, 4), "priors": (1, 2, 8)},
    ),
    "eval_detection": (
        (
            'type: "EvalDetection" eval_detection_param { side: 3 num_class: 2 num_object: 2 '
            "sqrt: false score_type: OBJ }"
        ),
        {"x": (1, 108), "label": (1, 63)},
    ),
    "flip": ('type: "Flip" flip_param { flip_height: true }', {"x": MAP}),
    "flow_warp": (
        'type: "FlowWarp" flow_warp_param { fill_value: NOT_A_NUMBER }',
        {"x": MAP, "flow": (2, 2, 6, 6)},
    ),
    "grn": ('type: "GRN" grn_param { bias: 0.01 dummy_backward: true }', {"x": MAP}),
    "insanity": ('type: "Insanity" insanity_param { lb: 4 ub: 6 }', {"x": MAP}),
    "interp": ('type: "Interp" interp_param { height: 9 width: 8 pad_beg: -1 }', {"x": MAP}),
    "interp_like": ('type: "Interp"', {"x": MAP, "like": (2, 1, 9, 9)}),
    "interp_zoom": ('type: "Interp" interp_param { zoom_factor: 2 }', {"x": MAP}),
    "l1_flow": (
        'type: "L1Loss" l1_loss_param { l2_per_location: true plateau: 0.1 }',
        {"x": MAP, "z": MAP},
    ),
    "l1_nvidia": ('type: "L1Loss"', {"x": MAP, "z": MAP}),
    "lstm_clipped": (
        'type: "Lstm" lstm_param { num_output: 3 clipping_threshold: 0.5 }',
        {"x": (4, 2, 5)},
    ),
    "lstm_streams": (
        'type: "Lstm" lstm_param { num_output: 3 batch_size: 2 }',
        {"x": (8, 5)},
    ),
    "multibox_loss": (
        (
            'type: "MultiBoxLoss" propagate_down: true propagate_down: false propagate_down: false '
            "propagate_down: false loss_param { normalization: FULL } "
            "multibox_loss_param { num_classes: 2 neg_pos_ratio: 2 code_type: CENTER_SIZE "
            "do_neg_mining: true nms_param { nms_threshold: 0.5 top_k: 9 } }"
        ),
        {**BOXES, "truth": (1, 1, 2, 8)},
    ),
    "normalize_normface": (
        'type: "Normalize" normalize_param { normalize_type: "L1" }',
        {"x": MAP},
    ),
    "normalize_ssd": (
        'type: "Normalize" norm_param { across_spatial: false channel_shared: false }',
        {"x": MAP},
    ),
    "permute": ('type: "Permute" permute_param { order: 0 order: 2 order: 3 }', {"x": MAP}),
    "pixel_shuffle": ('type: "Reshape" reshape_param { pixelshuffler: 2 }', {"x": MAP}),
    "pooling_3d": (
        (
            'type: "Pooling3D" pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 2 pad: 1 '
            "stride: 2 }"
        ),
        {"x": (1, 2, 4, 6, 6)},
    ),
    "pooling_dilated": (
        'type: "Pooling" pooling_param { kernel_size: 2 stride: 1 dilation: 2 }',
        {"x": MAP},
    ),
    "pooling_inside": (
        (
            'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 '
            "avg_include_pad: false round_mode: FLOOR }"
        ),
        {"x": MAP},
    ),
    "prior_box": (
        (
            'type: "PriorBox" prior_box_param { min_size: 10 min_size: 16.5 max_size: 17 '
            "max_size: 30 "
            "aspect_ratio: 2 aspect_ratio: 3 variance: 0.1 variance: 0.1 variance: 0.2 "
            "variance: 0.2 "
            "clip: true step: 8 offset: 0.25 }"
        ),
        PRIORS,
    ),
    "prior_box_one": ('type: "PriorBox" prior_box_param { min_size: 7 img_size: 32 }', PRIORS),
    "prior_box_ratios": (
        'type: "PriorBox" prior_box_param { min_size: 7 flip: false aspect_ratio: 0.5 }',
        PRIORS,
    ),
    "priors_clustered": (
        'type: "PriorBoxClustered" prior_box_param { width: 5 width: 9.5 height: 7 height: 4 }',
        PRIORS,
    ),
    "proposal": (
        (
            'type: "Proposal" proposal_param { ratio: 0.5 ratio: 1 ratio: 2 scale: 8 scale: 16 '
            "scale: 32 nms_thresh: 0.6 post_nms_topn: 20 }"
        ),
        RPN,
    ),
    "proposal_python": (
        PYTHON % ("rpn.proposal_layer", "ProposalLayer", "{'feat_stride': 8, 'scales': [4, 8, 9]}"),
        RPN,
    ),
    "psroi_pooling": (
        (
            'type: "PSROIPooling" psroi_pooling_param { spatial_scale: 0.5 output_dim: 2 '
            "group_size: 2 }"
        ),
        ROIS,
    ),
    "region_flat": (
        'type: "Region" region_param { classes: 3 boxes_of_each_grid: 2 softmax: true }',
        {"x": (1, 16, 3, 3)},
    ),
    "region_loss": (
        (
            'type: "RegionLoss" region_loss_param { num_class: 2 num: 2 biases: 1 biases: 2 '
            "biases: 3 "
            "biases: 4 rescore: 0 thresh: 0.5 }"
        ),
        {"x": (1, 14, 3, 3), "label": (1, 1, 3, 5)},
    ),
    "region_openvino": (
        'type: "Region" region_param { classes: 3 num: 2 }',
        {"x": (1, 16, 3, 3)},
    ),
    "relu6": ('type: "ReLU6" relu6_param { n: 5 negative_slope: 0.1 }', {"x": MAP}),
    "reorg": ('type: "Reorg" reorg_param { stride: 2 reverse: true }', {"x": MAP}),
    "resample": (
        'type: "Resample" resample_param { height: 9 width: 7 type: CUBIC antialias: false }',
        {"x": MAP},
    ),
    "resample_like": ('type: "Resample"', {"x": MAP, "like": (2, 1, 9, 9)}),
    "resize": ('type: "Resize" resize_param { height: 9 width: 7 }', {"x": MAP}),
    "resize_scale": (
        (
            'type: "Resize" resize_param { is_pyramid_test: true out_height_scale: 1.5 '
            "out_width_scale: 2 }"
        ),
        {"x": MAP},
    ),
    "reverse": ('type: "Reverse" reverse_param { axis: 2 }', {"x": MAP}),
    "roi_align": (
        'type: "ROIAlign" roi_align_param { pooled_h: 2 pooled_w: 3 sampling_ratio: 2 }',
        ROIS,
    ),
    "roi_align_grid": (
        'type: "ROIAlign" roi_pooling_param { pooled_h: 2 pooled_w: 3 pad_ratio: 0.5 }',
        ROIS,
    ),
    "roi_pooling": (
        (
            'type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.0625 '
            "pad_ratio: 0.25 }"
        ),
        ROIS,
    ),
    "scaled_batch_norm": (
        'type: "BatchNorm" batch_norm_param { scale_bias: true eps: 0.001 }',
        {"x": MAP},
    ),
    "selu": ('type: "SELU" selu_param { alpha: 1.5 lambda: 1.1 }', {"x": MAP}),
    "shuffle": ('type: "ShuffleChannel" shuffle_channel_param { group: 2 }', {"x": MAP}),
    "smooth_l1": ('type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 3 }', {"x": MAP, "z": MAP}),
    "smooth_l1_ohem": (
        (
            'type: "SmoothL1LossOHEM" loss_param { normalization: NONE } top: "a" top: "b" '
            "loss_weight: 1 loss_weight: 0"
        ),
        {"x": MAP, "z": MAP},
    ),
    "softmax_ohem": (
        (
            'type: "SoftmaxWithLossOHEM" loss_param { normalization: PRE_FIXED '
            'pre_fixed_normalizer: 128 } top: "a" top: "b" top: "c" '
            "loss_weight: 1 loss_weight: 0 loss_weight: 0"
        ),
        {"x": MAP, "z": (2, 1, 6, 6)},
    ),
    "softmax_weighted": (
        (
            'type: "SoftmaxWithLoss" loss_param { weight_by_label_freqs: true class_weighting: 1 '
            "class_weighting: 2 class_weighting: 3 class_weighting: 4 ignore_label: 3 }"
        ),
        {"x": MAP, "z": (2, 1, 6, 6)},
    ),
    "spatial_dropout": (
        PYTHON % ("spatial_dropout", "SpatialDropoutLayer", "{'phase': 'TEST', 'p': '0.1'}"),
        {"x": MAP},
    ),
    "text_proposal": (
        PYTHON % ("layers.text_proposal_layer", "ProposalLayer", "'feat_stride': 16")
        + ' top: "a" top: "b"',
        {"scores": (1, 20, 3, 4), "deltas": (1, 20, 3, 4), "info": (1, 3)},
    ),
    "transpose": (
        'type: "Transpose" transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }',
        {"x": MAP},
    ),
    "upsample_nearest": ('type: "Upsample" upsample_param { scale: 3 }', {"x": MAP}),
    "upsample_size": (
        'type: "Upsample" upsample_param { upsample_h: 11 upsample_w: 12 }',
        {"x": MAP, "mask": MAP},
    ),
    "yolo_v2_output": (
        (
            'type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 3 num_box: 2 '
            "confidence_threshold: 0.3 biases: 1 biases: 2 biases: 3 biases: 4 }"
        ),
        {"x": (1, 16, 3, 3)},
    ),
    "yolo_v3_output": (
        (
            'type: "Yolov3DetectionOutput" yolov3_detection_output_param { num_classes: 3 '
            "num_box: 2 "
            "biases: 10 biases: 20 biases: 30 biases: 44 biases: 50 biases: 60 biases: 70 "
            "biases: 80 "
            "anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 mask: 2 mask: 3 mask: 0 "
            "mask: 1 }"
        ),
        {"x": (1, 16, 3, 3), "z": (1, 16, 6, 6)},
    ),
}
