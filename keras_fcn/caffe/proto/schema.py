"""Caffe's protobuf messages, described as data and built in a private pool.

Field numbers, names and types are those of `src/caffe/proto/caffe.proto` in
BVLC Caffe 1.0. Defaults are left out on purpose: they are written once, in the
typed parameters of `keras_fcn.caffe.layers`. A private descriptor pool keeps the
messages apart from a `caffe_pb2` that a user may have imported.

Forks gave the same numbers to different fields. Text goes by names, so that each fork's
fields stand here, and in `schema_forks`, under a number that is free: its own
where it can be. A weights file that has something else under that number is read without it.

One message a paragraph::

    MessageName
      <number> <name> <type>[*|*p]     *: repeated, *p: repeated and packed
      enum Name A=0 B=1                # the rest of a line after it is a comment
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from keras_fcn.caffe.proto import schema_forks

_PACKAGE = "caffe"
_V1_NUMBERS = 50_000_000  # added to those of the current form

_TEXT = """
enum Phase TRAIN=0 TEST=1

BlobShape
  1 dim int64*p

BlobProto
  1 num int32
  2 channels int32
  3 height int32
  4 width int32
  5 data float*p
  6 diff float*p
  7 shape BlobShape
  8 double_data double*p
  9 double_diff double*p

BlobProtoVector
  1 blobs BlobProto*

Datum
  1 channels int32
  2 height int32
  3 width int32
  4 data bytes
  5 label int32
  6 float_data float*
  7 encoded bool

NormalizedBBox
  1 xmin float
  2 ymin float
  3 xmax float
  4 ymax float
  5 label int32
  6 difficult bool
  7 score float
  8 size float

Annotation
  1 instance_id int32
  2 bbox NormalizedBBox

AnnotationGroup
  1 group_label int32
  2 annotation Annotation*

AnnotatedDatum
  enum AnnotationType BBOX=0
  1 datum Datum
  2 type .AnnotatedDatum.AnnotationType
  3 annotation_group AnnotationGroup*

FillerParameter
  enum VarianceNorm FAN_IN=0 FAN_OUT=1 AVERAGE=2
  1 type string
  2 value float
  3 min float
  4 max float
  5 mean float
  6 std float
  7 sparse int32
  8 variance_norm .FillerParameter.VarianceNorm

NetParameter
  1 name string
  2 layers V1LayerParameter*
  3 input string*
  4 input_dim int32*
  5 force_backward bool
  6 state NetState
  7 debug_info bool
  8 input_shape BlobShape*
  100 layer LayerParameter*

SolverParameter
  enum SnapshotFormat HDF5=0 BINARYPROTO=1
  enum SolverMode CPU=0 GPU=1
  enum SolverType SGD=0 NESTEROV=1 ADAGRAD=2 RMSPROP=3 ADADELTA=4 ADAM=5
  1 train_net string
  2 test_net string*
  3 test_iter int32*
  4 test_interval int32
  5 base_lr float
  6 display int32
  7 max_iter int32
  8 lr_policy string
  9 gamma float
  10 power float
  11 momentum float
  12 weight_decay float
  13 stepsize int32
  14 snapshot int32
  15 snapshot_prefix string
  16 snapshot_diff bool
  17 solver_mode .SolverParameter.SolverMode
  18 device_id int32
  19 test_compute_loss bool
  20 random_seed int64
  21 train_net_param NetParameter
  22 test_net_param NetParameter*
  23 debug_info bool
  24 net string
  25 net_param NetParameter
  26 train_state NetState
  27 test_state NetState*
  28 snapshot_after_train bool
  29 regularization_type string
  30 solver_type .SolverParameter.SolverType
  31 delta float
  32 test_initialization bool
  33 average_loss int32
  34 stepvalue int32*
  35 clip_gradients float
  36 iter_size int32
  37 snapshot_format .SolverParameter.SnapshotFormat
  38 rms_decay float
  39 momentum2 float
  40 type string
  41 layer_wise_reduce bool
  42 weights string*

SolverState
  1 iter int32
  2 learned_net string
  3 history BlobProto*
  4 current_step int32

NetState
  1 phase .Phase
  2 level int32
  3 stage string*

NetStateRule
  1 phase .Phase
  2 min_level int32
  3 max_level int32
  4 stage string*
  5 not_stage string*

ParamSpec
  enum DimCheckMode STRICT=0 PERMISSIVE=1
  1 name string
  2 share_mode .ParamSpec.DimCheckMode
  3 lr_mult float
  4 decay_mult float

LayerParameter
  1 name string
  2 type string
  3 bottom string*
  4 top string*
  5 loss_weight float*
  6 param ParamSpec*
  7 blobs BlobProto*
  8 include NetStateRule*
  9 exclude NetStateRule*
  10 phase .Phase
  11 propagate_down bool*
  45 bn_param BNParameter
  46 dense_image_data_param DenseImageDataParameter
  100 transform_param TransformationParameter
  101 loss_param LossParameter
  102 accuracy_param AccuracyParameter
  103 argmax_param ArgMaxParameter
  104 concat_param ConcatParameter
  105 contrastive_loss_param ContrastiveLossParameter
  106 convolution_param ConvolutionParameter
  107 data_param DataParameter
  108 dropout_param DropoutParameter
  109 dummy_data_param DummyDataParameter
  110 eltwise_param EltwiseParameter
  111 exp_param ExpParameter
  112 hdf5_data_param HDF5DataParameter
  113 hdf5_output_param HDF5OutputParameter
  114 hinge_loss_param HingeLossParameter
  115 image_data_param ImageDataParameter
  116 infogain_loss_param InfogainLossParameter
  117 inner_product_param InnerProductParameter
  118 lrn_param LRNParameter
  119 memory_data_param MemoryDataParameter
  120 mvn_param MVNParameter
  121 pooling_param PoolingParameter
  122 power_param PowerParameter
  123 relu_param ReLUParameter
  124 sigmoid_param SigmoidParameter
  125 softmax_param SoftmaxParameter
  126 slice_param SliceParameter
  127 tanh_param TanHParameter
  128 threshold_param ThresholdParameter
  129 window_data_param WindowDataParameter
  130 python_param PythonParameter
  131 prelu_param PReLUParameter
  132 spp_param SPPParameter
  133 reshape_param ReshapeParameter
  134 log_param LogParameter
  135 flatten_param FlattenParameter
  136 reduction_param ReductionParameter
  137 embed_param EmbedParameter
  138 tile_param TileParameter
  139 batch_norm_param BatchNormParameter
  140 elu_param ELUParameter
  141 bias_param BiasParameter
  142 scale_param ScaleParameter
  143 input_param InputParameter
  144 crop_param CropParameter
  145 parameter_param ParameterParameter
  146 recurrent_param RecurrentParameter
  147 swish_param SwishParameter
  148 clip_param ClipParameter
  159 reorg_param ReorgParameter
  164 shuffle_channel_param ShuffleChannelParameter
  200 annotated_data_param AnnotatedDataParameter
  201 multibox_loss_param MultiBoxLossParameter
  202 permute_param PermuteParameter
  203 prior_box_param PriorBoxParameter
  204 detection_output_param DetectionOutputParameter
  205 detection_evaluate_param DetectionEvaluateParameter
  206 norm_param NormalizeParameter
  301 eval_detection_param EvalDetectionParameter
  600 region_loss_param RegionLossParameter
  601 yolo_detection_output_param YoloDetectionOutputParameter
  602 yolov3_detection_output_param Yolov3DetectionOutputParameter
  100000 relu6_param ReLU6Parameter
  100001 region_param RegionParameter  # our own number
  100002 normalize_param UnitNormalizeParameter  # our own number
  149 upsample_param UpsampleParameter
  2143 interp_param InterpParameter
  150 correlation_param CorrelationParameter
  151 l1_loss_param L1LossParameter
  155 resample_param ResampleParameter
  6661 convolution3d_param Convolution3DParameter
  6662 pooling3d_param Pooling3DParameter
  8266711 roi_pooling_param ROIPoolingParameter
  8266712 smooth_l1_loss_param SmoothL1LossParameter
  10000 box_annotator_ohem_param BoxAnnotatorOHEMParameter
  10001 psroi_pooling_param PSROIPoolingParameter
  100101 roi_align_param ROIAlignParameter  # our own number
  100102 proposal_param ProposalParameter  # our own number
  100103 ctc_param CTCParameter  # our own number
  100104 ctc_decoder_param CTCDecoderParameter  # our own number
  100105 resize_param ResizeLayerParameter  # our own number
  100106 accum_param AccumParameter  # our own number
  100107 flow_warp_param FlowWarpParameter  # our own number
  157 reverse_param ReverseParameter
  161 selu_param SeLuParameter
  208 grn_param GRNParameter
  212 flip_param FlipParameter
  100110 lstm_param LSTMParameter  # our own number
  100111 transpose_param TransposeParameter  # our own number
  100112 insanity_param InsanityParameter  # our own number

TransformationParameter
  1 scale float
  2 mirror bool
  3 crop_size uint32
  4 mean_file string
  5 mean_value float*
  6 force_color bool
  7 force_gray bool
  8 resize_param ResizeParameter
  9 noise_param NoiseParameter
  10 emit_constraint EmitConstraint
  11 crop_h uint32
  12 crop_w uint32
  13 distort_param DistortionParameter
  14 expand_param ExpansionParameter
  101 crop_height uint32  # our own number
  102 crop_width uint32  # our own number

EmitConstraint
  enum EmitType CENTER=0 MIN_OVERLAP=1
  1 emit_type .EmitConstraint.EmitType
  2 emit_overlap float

SaltPepperParameter
  1 fraction float
  2 value float*

NoiseParameter
  1 prob float
  2 hist_eq bool
  3 inverse bool
  4 decolorize bool
  5 gauss_blur bool
  6 jpeg float
  7 posterize bool
  8 erode bool
  9 saltpepper bool
  10 saltpepper_param SaltPepperParameter
  11 clahe bool
  12 convert_to_hsv bool
  13 convert_to_lab bool

DistortionParameter
  1 brightness_prob float
  2 brightness_delta float
  3 contrast_prob float
  4 contrast_lower float
  5 contrast_upper float
  6 hue_prob float
  7 hue_delta float
  8 saturation_prob float
  9 saturation_lower float
  10 saturation_upper float
  11 random_order_prob float

ExpansionParameter
  1 prob float
  2 max_expand_ratio float

LossParameter
  enum NormalizationMode FULL=0 VALID=1 BATCH_SIZE=2 NONE=3
  enum NormalizationMode PRE_FIXED=4  # our own number, R-FCN's is 3
  1 ignore_label int32
  2 normalize bool
  3 normalization .LossParameter.NormalizationMode
  4 class_weighting float*
  104 pre_fixed_normalizer float  # our own number, R-FCN's is 4
  103 weight_by_label_freqs bool

AccuracyParameter
  1 top_k uint32
  2 axis int32
  3 ignore_label int32

ArgMaxParameter
  1 out_max_val bool
  2 top_k uint32
  3 axis int32

BatchNormParameter
  1 use_global_stats bool
  2 moving_average_fraction float
  3 eps float

BNParameter
  enum BNMode LEARN=0 INFERENCE=1
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 scale_filler FillerParameter
  2 shift_filler FillerParameter
  3 bn_mode .BNParameter.BNMode
  101 slope_filler FillerParameter
  102 bias_filler FillerParameter
  103 momentum float
  104 eps float
  105 frozen bool
  106 engine .BNParameter.Engine
  107 var_eps float
  108 decay float
  109 moving_average bool
  110 axis int32

BiasParameter
  1 axis int32
  2 num_axes int32
  3 filler FillerParameter

ClipParameter
  1 min float
  2 max float

ConcatParameter
  1 concat_dim uint32
  2 axis int32

ContrastiveLossParameter
  1 margin float
  2 legacy_version bool

ConvolutionParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 num_output uint32
  2 bias_term bool
  3 pad uint32*
  4 kernel_size uint32*
  5 group uint32
  6 stride uint32*
  7 weight_filler FillerParameter
  8 bias_filler FillerParameter
  9 pad_h uint32
  10 pad_w uint32
  11 kernel_h uint32
  12 kernel_w uint32
  13 stride_h uint32
  14 stride_w uint32
  15 engine .ConvolutionParameter.Engine
  16 axis int32
  17 force_nd_im2col bool
  18 dilation uint32*

CropParameter
  1 axis int32
  2 offset uint32*

DataParameter
  enum DB LEVELDB=0 LMDB=1
  1 source string
  2 scale float
  3 mean_file string
  4 batch_size uint32
  5 crop_size uint32
  6 mirror bool
  7 rand_skip uint32
  8 backend .DataParameter.DB
  9 force_encoded_color bool
  10 prefetch uint32

DenseImageDataParameter
  1 source string
  2 batch_size uint32
  3 rand_skip uint32
  4 shuffle bool
  5 new_height uint32
  6 new_width uint32
  7 is_color bool
  8 mean_file string
  9 root_folder string
  10 mirror bool
  11 crop_width uint32
  12 crop_height uint32
  101 label_divide_factor uint32
  102 root_folder_image string
  103 root_folder_label string
  104 multi_scale bool

DropoutParameter
  1 dropout_ratio float
  2 sample_weights_test bool

DummyDataParameter
  1 data_filler FillerParameter*
  2 num uint32*
  3 channels uint32*
  4 height uint32*
  5 width uint32*
  6 shape BlobShape*

EltwiseParameter
  enum EltwiseOp PROD=0 SUM=1 MAX=2
  1 operation .EltwiseParameter.EltwiseOp
  2 coeff float*
  3 stable_prod_grad bool

ELUParameter
  1 alpha float

EmbedParameter
  1 num_output uint32
  2 input_dim uint32
  3 bias_term bool
  4 weight_filler FillerParameter
  5 bias_filler FillerParameter

ExpParameter
  1 base float
  2 scale float
  3 shift float

FlattenParameter
  1 axis int32
  2 end_axis int32

HDF5DataParameter
  1 source string
  2 batch_size uint32
  3 shuffle bool

HDF5OutputParameter
  1 file_name string

HingeLossParameter
  enum Norm L1=1 L2=2
  1 norm .HingeLossParameter.Norm

ImageDataParameter
  1 source string
  2 scale float
  3 mean_file string
  4 batch_size uint32
  5 crop_size uint32
  6 mirror bool
  7 rand_skip uint32
  8 shuffle bool
  9 new_height uint32
  10 new_width uint32
  11 is_color bool
  12 root_folder string

InfogainLossParameter
  1 source string
  2 axis int32

InnerProductParameter
  1 num_output uint32
  2 bias_term bool
  3 weight_filler FillerParameter
  4 bias_filler FillerParameter
  5 axis int32
  6 transpose bool

InputParameter
  1 shape BlobShape*

InterpParameter
  1 height int32
  2 width int32
  3 zoom_factor int32
  4 shrink_factor int32
  5 pad_beg int32
  6 pad_end int32

LogParameter
  1 base float
  2 scale float
  3 shift float

LRNParameter
  enum NormRegion ACROSS_CHANNELS=0 WITHIN_CHANNEL=1
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 local_size uint32
  2 alpha float
  3 beta float
  4 norm_region .LRNParameter.NormRegion
  5 k float
  6 engine .LRNParameter.Engine

MemoryDataParameter
  1 batch_size uint32
  2 channels uint32
  3 height uint32
  4 width uint32

MVNParameter
  1 normalize_variance bool
  2 across_channels bool
  3 eps float

ParameterParameter
  1 shape BlobShape

PoolingParameter
  enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  enum RoundMode CEIL=0 FLOOR=1
  1 pool .PoolingParameter.PoolMethod
  2 kernel_size uint32
  3 stride uint32
  4 pad uint32
  5 kernel_h uint32
  6 kernel_w uint32
  7 stride_h uint32
  8 stride_w uint32
  9 pad_h uint32
  10 pad_w uint32
  11 engine .PoolingParameter.Engine
  12 global_pooling bool
  13 round_mode .PoolingParameter.RoundMode

PowerParameter
  1 power float
  2 scale float
  3 shift float

PReLUParameter
  1 filler FillerParameter
  2 channel_shared bool

PythonParameter
  1 module string
  2 layer string
  3 param_str string
  4 share_in_parallel bool

RecurrentParameter
  1 num_output uint32
  2 weight_filler FillerParameter
  3 bias_filler FillerParameter
  4 debug_info bool
  5 expose_hidden bool

ReductionParameter
  enum ReductionOp SUM=1 ASUM=2 SUMSQ=3 MEAN=4
  1 operation .ReductionParameter.ReductionOp
  2 axis int32
  3 coeff float

ReLUParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 negative_slope float
  2 engine .ReLUParameter.Engine

ReshapeParameter
  1 shape BlobShape
  2 axis int32
  3 num_axes int32

ScaleParameter
  1 axis int32
  2 num_axes int32
  3 filler FillerParameter
  4 bias_term bool
  5 bias_filler FillerParameter

SigmoidParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 engine .SigmoidParameter.Engine

SliceParameter
  1 slice_dim uint32
  2 slice_point uint32*
  3 axis int32

SoftmaxParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 engine .SoftmaxParameter.Engine
  2 axis int32

SPPParameter
  enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 pyramid_height uint32
  2 pool .SPPParameter.PoolMethod
  6 engine .SPPParameter.Engine

SwishParameter
  1 beta float

TanHParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  1 engine .TanHParameter.Engine

ThresholdParameter
  1 threshold float

TileParameter
  1 axis int32
  2 tiles int32

UpsampleParameter
  1 scale uint32
  2 scale_h uint32
  3 scale_w uint32
  4 pad_out_h bool
  5 pad_out_w bool
  6 upsample_h uint32
  7 upsample_w uint32

WindowDataParameter
  1 source string
  2 scale float
  3 mean_file string
  4 batch_size uint32
  5 crop_size uint32
  6 mirror bool
  7 fg_threshold float
  8 bg_threshold float
  9 fg_fraction float
  10 context_pad uint32
  11 crop_mode string
  12 cache_images bool
  13 root_folder string

PermuteParameter
  1 order uint32*

NormalizeParameter
  1 across_spatial bool
  2 scale_filler FillerParameter
  3 channel_shared bool
  4 eps float

UnitNormalizeParameter
  1 normalize_type string

PriorBoxParameter
  enum CodeType CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
  1 min_size float*
  2 max_size float*
  3 aspect_ratio float*
  4 flip bool
  5 clip bool
  6 variance float*
  7 img_size uint32
  8 img_h uint32
  9 img_w uint32
  10 step float
  11 step_h float
  12 step_w float
  13 offset float
  14 width float*  # our own number
  15 height float*  # our own number

NonMaximumSuppressionParameter
  1 nms_threshold float
  2 top_k int32
  3 eta float

ResizeParameter
  enum Resize_mode WARP=1 FIT_SMALL_SIZE=2 FIT_LARGE_SIZE_AND_PAD=3
  enum Pad_mode CONSTANT=1 MIRRORED=2 REPEAT_NEAREST=3
  enum Interp_mode LINEAR=1 AREA=2 NEAREST=3 CUBIC=4 LANCZOS4=5
  1 prob float
  2 resize_mode .ResizeParameter.Resize_mode
  3 height uint32
  4 width uint32
  5 pad_mode .ResizeParameter.Pad_mode
  6 pad_value float*
  7 interp_mode .ResizeParameter.Interp_mode*
  8 height_scale uint32
  9 width_scale uint32

LabelMapItem
  1 name string
  2 label int32
  3 display_name string
  10000 id int32  # TensorFlow's

LabelMap
  1 item LabelMapItem*

SaveOutputParameter
  1 output_directory string
  2 output_name_prefix string
  3 output_format string
  4 label_map_file string
  5 name_size_file string
  6 num_test_image uint32
  7 resize_param ResizeParameter

DetectionOutputParameter
  1 num_classes uint32
  2 share_location bool
  3 background_label_id int32
  4 nms_param NonMaximumSuppressionParameter
  5 save_output_param SaveOutputParameter
  6 code_type .PriorBoxParameter.CodeType
  7 keep_top_k int32
  8 variance_encoded_in_target bool
  9 confidence_threshold float
  10 visualize bool
  11 visualize_threshold float
  12 save_file string
  1000 clip bool  # OpenCV's

Sampler
  1 min_scale float
  2 max_scale float
  3 min_aspect_ratio float
  4 max_aspect_ratio float

SampleConstraint
  1 min_jaccard_overlap float
  2 max_jaccard_overlap float
  3 min_sample_coverage float
  4 max_sample_coverage float
  5 min_object_coverage float
  6 max_object_coverage float

BatchSampler
  1 use_original_image bool
  2 sampler Sampler
  3 sample_constraint SampleConstraint
  4 max_sample uint32
  5 max_trials uint32

AnnotatedDataParameter
  enum AnnotationType BBOX=0
  1 batch_sampler BatchSampler*
  2 label_map_file string
  3 anno_type .AnnotatedDataParameter.AnnotationType
  4 yolo_data_type int32
  5 yolo_data_jitter float

MultiBoxLossParameter
  enum LocLossType L2=0 SMOOTH_L1=1
  enum ConfLossType SOFTMAX=0 LOGISTIC=1
  enum MatchType BIPARTITE=0 PER_PREDICTION=1
  enum MiningType NONE=0 MAX_NEGATIVE=1 HARD_EXAMPLE=2
  1 loc_loss_type .MultiBoxLossParameter.LocLossType
  2 conf_loss_type .MultiBoxLossParameter.ConfLossType
  3 loc_weight float
  4 num_classes uint32
  5 share_location bool
  6 match_type .MultiBoxLossParameter.MatchType
  7 overlap_threshold float
  8 use_prior_for_matching bool
  9 background_label_id uint32
  10 use_difficult_gt bool
  11 do_neg_mining bool
  12 neg_pos_ratio float
  13 neg_overlap float
  14 code_type .PriorBoxParameter.CodeType
  16 encode_variance_in_target bool
  17 map_object_to_agnostic bool
  18 ignore_cross_boundary_bbox bool
  19 bp_inside bool
  20 mining_type .MultiBoxLossParameter.MiningType
  21 nms_param NonMaximumSuppressionParameter
  22 sample_size int32
  23 use_prior_for_nms bool

DetectionEvaluateParameter
  1 num_classes uint32
  2 background_label_id uint32
  3 overlap_threshold float
  4 evaluate_difficult_gt bool
  5 name_size_file string
  6 resize_param ResizeParameter

EvalDetectionParameter
  enum ScoreType OBJ=0 PROB=1 MULTIPLY=2
  1 side uint32
  2 num_class uint32
  3 num_object uint32
  4 threshold float
  5 sqrt bool
  6 constriant bool
  7 score_type .EvalDetectionParameter.ScoreType
  8 nms float
  9 biases float*

L1LossParameter
  1 l2_per_location bool
  2 l2_prescale_by_channels bool
  3 normalize_by_num_entries bool
  4 epsilon float
  3001 plateau float

RegionLossParameter
  1 side uint32
  2 num_class uint32
  3 bias_match uint32
  4 coords uint32
  5 num uint32
  6 softmax uint32
  7 jitter float
  8 rescore uint32
  9 object_scale float
  10 class_scale float
  11 noobject_scale float
  12 coord_scale float
  13 absolute uint32
  14 thresh float
  15 random uint32
  16 biases float*
  17 softmax_tree string
  18 class_map string

YoloDetectionOutputParameter
  1 side uint32
  2 num_classes uint32
  3 num_box uint32
  4 coords uint32
  5 confidence_threshold float
  6 nms_threshold float
  7 biases float*
  8 label_map_file string

Yolov3DetectionOutputParameter
  1 num_classes uint32
  2 num_box uint32
  3 confidence_threshold float
  4 nms_threshold float
  5 biases float*
  6 anchors_scale uint32*
  7 mask_group_num uint32
  8 mask uint32*

SmoothL1LossParameter
  1 sigma float

BoxAnnotatorOHEMParameter
  1 roi_per_img uint32
  2 ignore_label int32

ReLU6Parameter
  1 negative_slope float
  2 n float

ShuffleChannelParameter
  1 group uint32

ReorgParameter
  1 stride uint32
  2 reverse bool

RegionParameter
  1 classes uint32
  2 coords uint32
  3 boxes_of_each_grid uint32
  4 softmax bool
  5 num uint32

AccumParameter
  1 top_height uint32
  2 top_width uint32
  3 size_divisible_by uint32
  4 have_reference bool

CorrelationParameter
  enum CorrelationType MULTIPLY=0 SUBTRACT=1
  2 pad uint32
  3 kernel_size uint32
  4 max_displacement uint32
  5 stride_1 uint32
  6 stride_2 uint32
  7 do_abs bool
  8 single_direction int32
  15 correlation_type .CorrelationParameter.CorrelationType

CTCDecoderParameter
  1 blank_index int32
  2 ctc_merge_repeated bool

CTCParameter
  enum DecodeOpt IN_PLACE=0 BEST_PATH=1 BEAM_SEARCH=2
  1 blank_index int32
  2 already_softmax bool
  3 nct_axis uint32*
  4 decode .CTCParameter.DecodeOpt
  5 beam_width uint32

Convolution3DParameter
  1 num_output uint32
  2 bias_term bool
  3 pad uint32
  4 kernel_size uint32
  5 group uint32
  6 kernel_depth uint32
  7 stride uint32
  8 temporal_stride uint32
  9 weight_filler FillerParameter
  10 bias_filler FillerParameter
  11 filter_group uint32
  12 temporal_pad uint32

FlipParameter
  1 flip_width bool
  2 flip_height bool
  3 axis int32  # our own number

GRNParameter
  1 bias float
  2 dummy_backward bool

InsanityParameter
  1 lb float
  2 ub float

LSTMParameter
  1 num_output uint32
  2 clipping_threshold float
  3 weight_filler FillerParameter
  4 bias_filler FillerParameter
  5 batch_size uint32

ReverseParameter
  1 axis int32*

SeLuParameter
  1 lambda float
  2 alpha float

TransposeParameter
  1 dim int32*

FlowWarpParameter
  enum FillParameter ZERO=1 NOT_A_NUMBER=2
  1 fill_value .FlowWarpParameter.FillParameter

Pooling3DParameter
  enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
  1 pool .Pooling3DParameter.PoolMethod
  2 kernel_size uint32
  3 stride uint32
  4 pad uint32
  5 kernel_depth uint32
  6 temporal_stride uint32

ProposalParameter
  1 feat_stride uint32
  2 base_size uint32
  3 min_size uint32
  4 ratio float*
  5 scale float*
  6 pre_nms_topn uint32
  7 post_nms_topn uint32
  8 nms_thresh float

PSROIPoolingParameter
  1 spatial_scale float
  2 output_dim int32
  3 group_size int32

ResampleParameter
  enum ResampleType NEAREST=1 LINEAR=2 CUBIC=3 AREA=4
  1 width uint32
  2 height uint32
  3 type .ResampleParameter.ResampleType
  4 antialias bool

ResizeLayerParameter
  1 is_pyramid_test bool
  2 height uint32
  3 width uint32
  4 out_height_scale float
  5 out_width_scale float

ROIAlignParameter
  1 pooled_h uint32
  2 pooled_w uint32
  3 spatial_scale float
  4 sampling_ratio int32

ROIPoolingParameter
  1 pooled_h uint32
  2 pooled_w uint32
  3 spatial_scale float
  4 pad_ratio float

V1LayerParameter
  enum LayerType NONE=0 ACCURACY=1 BNLL=2 CONCAT=3 CONVOLUTION=4 DATA=5 DROPOUT=6
  enum LayerType EUCLIDEAN_LOSS=7 FLATTEN=8 HDF5_DATA=9 HDF5_OUTPUT=10 IM2COL=11
  enum LayerType IMAGE_DATA=12 INFOGAIN_LOSS=13 INNER_PRODUCT=14 LRN=15
  enum LayerType MULTINOMIAL_LOGISTIC_LOSS=16 POOLING=17 RELU=18 SIGMOID=19 SOFTMAX=20
  enum LayerType SOFTMAX_LOSS=21 SPLIT=22 TANH=23 WINDOW_DATA=24 ELTWISE=25 POWER=26
  enum LayerType SIGMOID_CROSS_ENTROPY_LOSS=27 HINGE_LOSS=28 MEMORY_DATA=29 ARGMAX=30
  enum LayerType THRESHOLD=31 DUMMY_DATA=32 SLICE=33 MVN=34 ABSVAL=35 SILENCE=36
  enum LayerType CONTRASTIVE_LOSS=37 EXP=38 DECONVOLUTION=39
  enum DimCheckMode STRICT=0 PERMISSIVE=1
  1 layer V0LayerParameter
  2 bottom string*
  3 top string*
  4 name string
  5 type .V1LayerParameter.LayerType
  6 blobs BlobProto*
  7 blobs_lr float*
  8 weight_decay float*
  9 concat_param ConcatParameter
  10 convolution_param ConvolutionParameter
  11 data_param DataParameter
  12 dropout_param DropoutParameter
  13 hdf5_data_param HDF5DataParameter
  14 hdf5_output_param HDF5OutputParameter
  15 image_data_param ImageDataParameter
  16 infogain_loss_param InfogainLossParameter
  17 inner_product_param InnerProductParameter
  18 lrn_param LRNParameter
  19 pooling_param PoolingParameter
  20 window_data_param WindowDataParameter
  21 power_param PowerParameter
  22 memory_data_param MemoryDataParameter
  23 argmax_param ArgMaxParameter
  24 eltwise_param EltwiseParameter
  25 threshold_param ThresholdParameter
  26 dummy_data_param DummyDataParameter
  27 accuracy_param AccuracyParameter
  29 hinge_loss_param HingeLossParameter
  30 relu_param ReLUParameter
  31 slice_param SliceParameter
  32 include NetStateRule*
  33 exclude NetStateRule*
  34 mvn_param MVNParameter
  35 loss_weight float*
  36 transform_param TransformationParameter
  37 tanh_param TanHParameter
  38 sigmoid_param SigmoidParameter
  39 softmax_param SoftmaxParameter
  40 contrastive_loss_param ContrastiveLossParameter
  41 exp_param ExpParameter
  42 loss_param LossParameter
  1001 param string*
  1002 blob_share_mode .V1LayerParameter.DimCheckMode*

V0LayerParameter
  enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
  1 name string
  2 type string
  3 num_output uint32
  4 biasterm bool
  5 weight_filler FillerParameter
  6 bias_filler FillerParameter
  7 pad uint32
  8 kernelsize uint32
  9 group uint32
  10 stride uint32
  11 pool .V0LayerParameter.PoolMethod
  12 dropout_ratio float
  13 local_size uint32
  14 alpha float
  15 beta float
  16 source string
  17 scale float
  18 meanfile string
  19 batchsize uint32
  20 cropsize uint32
  21 mirror bool
  22 k float
  50 blobs BlobProto*
  51 blobs_lr float*
  52 weight_decay float*
  53 rand_skip uint32
  54 det_fg_threshold float
  55 det_bg_threshold float
  56 det_fg_fraction float
  58 det_context_pad uint32
  59 det_crop_mode string
  60 new_num int32
  61 new_channels int32
  62 new_height int32
  63 new_width int32
  64 shuffle_images bool
  65 concat_dim uint32
  1001 hdf5_output_param HDF5OutputParameter
"""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
}


def _add_enum(owner: Any, words: list[str]) -> None:
    """Add, or extend, an enum described as `enum Name A=0 B=1`."""
    name, *values = words[1:]
    enum = next((e for e in owner.enum_type if e.name == name), None)
    if enum is None:
        enum = owner.enum_type.add(name=name)
    for value in values:
        label, number = value.split("=")
        enum.value.add(name=label, number=int(number))


def _add_field(message: Any, words: list[str]) -> None:
    """Add a field described as `<number> <name> <type>[*|*p]`; the rest is for others."""
    number, name, kind = words[:3]
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.endswith("*p"):
        field.options.packed = True
    if "*" in kind:
        field.label = _Field.LABEL_REPEATED
        kind = kind[: kind.index("*")]
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    elif kind.startswith("."):
        field.type = _Field.TYPE_ENUM
        field.type_name = f".{_PACKAGE}{kind}"
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _message(file: Any, name: str) -> Any:
    found = next((message for message in file.message_type if message.name == name), None)
    return file.message_type.add(name=name) if found is None else found


def _complete_v1(old: Any, new: Any) -> None:
    """Parameters that the V1 form lacks, which forks gave to it under numbers of their own."""
    there = {field.name for field in old.field}
    for field in new.field:
        if field.name.endswith("_param") and field.name not in there:
            added = old.field.add()
            added.CopyFrom(field)
            added.number += _V1_NUMBERS


@cache
def _classes() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_fcn/caffe.proto", package=_PACKAGE, syntax="proto2"
    )
    owner: Any = file
    for line in (*_TEXT.splitlines(), *schema_forks.TEXT.splitlines()):
        words = line.partition("#")[0].split()
        if not words:
            owner = file
        elif words[0] == "enum":
            _add_enum(owner, words)
        elif len(words) == 1:
            owner = _message(file, words[0])
        else:
            _add_field(owner, words)
    _complete_v1(_message(file, "V1LayerParameter"), _message(file, "LayerParameter"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(d) for name, d in described.items()}


def new(message_name: str) -> Any:
    """A new, empty message, e.g. `new("NetParameter")`."""
    return _classes()[message_name]()


@cache
def labels(message: str, field: str) -> tuple[str, ...]:
    """The labels of an enum field of a type of message."""
    described: Any = _classes()[message].DESCRIPTOR.fields_by_name[field]
    return tuple(described.enum_type.values_by_name)


@cache
def kinds(message: str | None) -> Mapping[str, str]:
    """Kinds of the fields of a type of message; empty where there is no such type.

    Returns:
        Field -> the type of message, such as `"FillerParameter"`, or else `"float"`,
        `"enum"`, `"int32"` and the like.
    """
    if message not in _classes():
        return {}
    words: dict[Any, str] = {number: word for word, number in _SCALARS.items()} | {
        _Field.TYPE_ENUM: "enum"
    }
    return {
        field.name: field.message_type.name if field.message_type else words[field.type]
        for field in _classes()[message].DESCRIPTOR.fields
    }
