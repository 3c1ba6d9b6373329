"""Fields that forks of Caffe add to its messages, and what each means.

The lines are those of `schema`; behind the type stands what becomes of a field
that is set, and behind the `#` whose it is and what it does. The number is the fork's
own, unless another field has it, here or in another fork: then it is 10000 and more.

read
    It is taken into account; see `keras_fcn.caffe.net.fork_rules` and the layers.
idle
    It changes no number that a loaded network gives; it is passed over with a note.
=VALUE
    Only this value, which changes nothing, is allowed.
refused
    What it asks for is not built.
"""

TEXT = """
FillerParameter
  10009 scale float idle # Intel: a factor for the random numbers of msra
  10010 alpha float idle # DeepLab: the slope that msra reckons with
  10011 diag_val float* idle # FlowNet: the values on a kernel's diagonal
  10012 file string idle # OpenVINO: where the values are read from

ParamSpec
  10005 filler FillerParameter idle # OpenVINO: fills the blob

AccuracyParameter
  4 min_is_better bool =false # NormFace: the smallest score is the best

ArgMaxParameter
  4 min_first bool =false # Synopsys: the smallest scores come first

BatchNormParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2 MKL2017=3 MKLDNN=4
  15 engine .BatchNormParameter.Engine idle # NVIDIA, Intel: which code computes it
  5 use_weight_bias bool read # Intel: a scale follows
  6 bias_term bool read # Intel: a bias follows the scale
  7 filler FillerParameter read # Intel: fills the scale
  8 bias_filler FillerParameter read # Intel, NVIDIA: fills the bias
  9 stats_batch_size uint32 idle # Intel: how many images a mean is taken over in training
  10 relu bool read # Intel: a ReLU follows
  10004 add_eps_before_sqrt bool =true # Synopsys: false adds eps to the deviation
  10005 scale_filler FillerParameter read # NVIDIA: fills the scale
  10006 update_global_stats bool idle # MNC: whether training updates the statistics
  10007 scale_bias bool read # NVIDIA: a scale and a bias follow
  10008 shift_filler FillerParameter read # Intel: fills the bias
  10009 icnet bool =false # Synopsys: ICNet's statistics, which hold the inverse deviation
  10010 disable_mean bool =false # NormFace: the mean is not subtracted
  10011 disable_variance bool =false # NormFace: nothing is divided by the deviation

BNParameter
  10010 icnet bool =false # Synopsys: ICNet's statistics, which hold the inverse deviation

ConcatParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2 MKL2017=3 MKLDNN=4
  3 engine .ConcatParameter.Engine idle # Intel: which code computes it
  4 per_fla_fuse bool =false # Intel: every bottom is flattened in the order H, W, C first
  10003 input_scale double* =1 # Synopsys: the step of quantized bottoms
  10004 output_scale double =1 # Synopsys: the step of a quantized top
  5 input_zero_point int32* =0 # Synopsys: what zero is in quantized bottoms
  6 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

ConvolutionParameter
  enum Engine MKL2017=3 MKLDNN=4
  enum FusionType UNFUSED=0 SUM_FUSION=1
  enum Seeker GET=0 FINDEX=1
  enum SaturateMethod None=0 Signed=1 Unsigned=2 Signed_8bit=3 Unsigned_8bit=4
  10019 relu bool read # Intel: a ReLU follows
  10020 negative_slope float read # Intel: the slope of the ReLU that follows
  10021 conv_algorithm string idle # Intel: which code computes it
  10022 fusion_type .ConvolutionParameter.FusionType =UNFUSED # Intel: the second bottom is added
  117 hole uint32 read # DeepLab: the dilation
  118 hole_h uint32 read # DeepLab: the dilation along the height
  119 hole_w uint32 read # DeepLab: the dilation along the width
  10006 kernel_depth uint32 read # C3D: frames of a window
  10008 temporal_stride uint32 read # C3D: frames from one window to the next
  10011 filter_group uint32 idle # C3D: computes the filters in parts
  10012 temporal_pad uint32 read # C3D: frames of zeros at both ends
  10023 cudnn_convolution_algo_seeker .ConvolutionParameter.Seeker idle # NVIDIA: for cuDNN
  10024 conv_algos_override string idle # NVIDIA: which algorithm of cuDNN computes it
  10025 pad_type uint32 =0 # Synopsys: 1 pads as TensorFlow's SAME does
  26 pad_l int32 =0 # Synopsys: zeros on the left only
  27 pad_r int32 =0 # Synopsys: zeros on the right only
  28 pad_t int32 =0 # Synopsys: zeros on top only
  29 pad_b int32 =0 # Synopsys: zeros at the bottom only
  30 input_scale double =1 # Synopsys: the step of a quantized bottom
  31 output_scale double =1 # Synopsys: the step of a quantized top
  32 saturate .ConvolutionParameter.SaturateMethod =None # Synopsys: the top is cut to a range
  33 weight_scale double =1 # Synopsys: the step of a quantized kernel
  34 bias_scale double =1 # Synopsys: the step of a quantized bias
  35 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  36 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top
  37 weight_zero_point int32 =0 # Synopsys: what zero is in a quantized kernel
  38 bias_zero_point int32 =0 # Synopsys: what zero is in a quantized bias
  10026 weight_fixed bool idle # Synopsys: the kernel is not trained
  10027 dis_mode bool idle # Synopsys: trained in turns, with the discriminator
  10028 gen_mode bool idle # Synopsys: trained in turns, with the generator
  10029 shape_offset uint32* =0 # NormFace: changes the size of the top

CropParameter
  3 dimsize uint32* refused # OpenVINO: the sizes of the top

CTCParameter
  enum Decoder best_path=0 best_path_thres=1 prefix_search=2
  10001 threshold float idle # CTPN: counts for best_path_thres only
  10002 decode_type .CTCParameter.Decoder =best_path # CTPN: how the labels are found

DetectionOutputParameter
  10024 objectness_score float refused # RefineDet: boxes of a lower first score are dropped
  32768 nms_threshold float read # SSD, as first published: that of nms_param
  32769 top_k int32 read # SSD, as first published: that of nms_param
  25 ratio_permute bool =false # Synopsys: the bottoms lie in another order
  32 no_permute bool =false # Synopsys: the bottoms lie in another order
  34 tflite_detection bool =false # Synopsys: TensorFlow Lite's decoding
  35 tflite_use_regular_nms bool =false # Synopsys: TensorFlow Lite's suppression
  36 max_classes_per_detection int32 =1 # Synopsys: classes that a box may have
  37 scale_xywh float* refused # Synopsys: TensorFlow Lite's factors of boxes
  10010 normalized_bbox bool =true # OpenCV: false has boxes in pixels

DropoutParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
  3 scale_train bool read # Fast R-CNN: whether units are scaled when trained, or when tested
  10002 engine .DropoutParameter.Engine idle # NVIDIA: which code computes it
  10003 random_seed int64 idle # NVIDIA: makes training repeatable
  10004 sqrt_scale bool =false # NormFace: units are scaled by a square root

EltwiseParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2 MKL2017=3 MKLDNN=4
  enum SaturateMethod None=0 Signed=1 Unsigned=2 Signed_8bit=3 Unsigned_8bit=4
  4 engine .EltwiseParameter.Engine idle # Intel: which code computes it
  5 saturate .EltwiseParameter.SaturateMethod =None # Synopsys: the top is cut to a range
  6 axis int32 =0 # Synopsys: where the second bottom is spread from
  14 input_scale double* =1 # Synopsys: the step of quantized bottoms
  15 output_scale double =1 # Synopsys: the step of a quantized top
  16 input_zero_point int32* =0 # Synopsys: what zero is in quantized bottoms
  17 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

ImageDataParameter
  enum LabelType NONE=0 IMAGE=1 PIXEL=2
  10011 new_length uint32
  10012 show_data int32
  10013 use_image bool
  10014 sampling_rate int32
  10015 use_label bool
  10016 use_temporal_jitter bool
  10017 mean_value float
  10018 num_truth_channels uint32
  10019 use_byte_input bool
  10020 is_flow bool
  10021 truth_scale float
  10022 clip_min float
  10023 clip_max float
  15 ignore_label int32
  16 label_type .ImageDataParameter.LabelType

InnerProductParameter
  enum Engine DEFAULT=0 CAFFE=1 CUDNN=2 MKLDNN=3 MKL2017=4
  10007 engine .InnerProductParameter.Engine idle # Intel: which code computes it
  10008 normalize bool =false # NormFace: each row of the weights is divided by its length
  10009 relu bool read # Intel: a ReLU follows
  10010 negative_slope float read # Intel: the slope of the ReLU that follows
  10011 weight_fixed bool idle # Synopsys: the weights are not trained
  10012 dis_mode bool idle # Synopsys: trained in turns, with the discriminator
  10013 gen_mode bool idle # Synopsys: trained in turns, with the generator
  11 input_scale double =1 # Synopsys: the step of a quantized bottom
  12 output_scale double =1 # Synopsys: the step of a quantized top
  13 weight_scale double =1 # Synopsys: the step of quantized weights
  14 bias_scale double =1 # Synopsys: the step of a quantized bias
  15 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  16 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top
  17 weight_zero_point int32 =0 # Synopsys: what zero is in quantized weights
  18 bias_zero_point int32 =0 # Synopsys: what zero is in a quantized bias

InputParameter
  2 output_scale float =1 # Synopsys: the step of a quantized top
  10003 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

InterpParameter
  10007 use_blob_size bool read # Cambricon: the second bottom gives the size
  10008 full_zoom_factor int32 =1 # Synopsys: n pixels become n times this many

LossParameter
  10005 label_smoothing float =0 # Intel: this part of a label is spread over all classes
  10006 gamma float =0 # focal loss: well known labels count less, by this power
  10007 scale float =1 # a factor of the loss
  10008 alpha float =1 # focal loss: a factor of the loss

LRNParameter
  enum Engine MKL2017=3 MKLDNN=4
  7 input_scale double =1 # Synopsys: the step of a quantized bottom
  8 output_scale double =1 # Synopsys: the step of a quantized top

MVNParameter
  4 add_eps_before_sqrt bool =false # Synopsys: true adds eps to the variance

NormalizeParameter
  5 add_eps_before_sqrt bool =true # Synopsys: false adds eps to the length

ParameterParameter
  2 blob_filler FillerParameter read # NormFace: fills the blob
  10003 filler FillerParameter read # OpenVINO: fills the blob

PoolingParameter
  enum PoolMethod AVE_EXC_PAD=103 AVE_TF=104
  enum Engine MKL2017=3 MKLDNN=4
  enum SaturateMethod None=0 Signed=1 Unsigned=2 Signed_8bit=3 Unsigned_8bit=4
  1013 ceil_mode bool read # BVLC's pull request 3057: whether sizes are rounded up
  1014 torch_pooling bool read # Facebook: sizes are rounded down, as Torch does
  1015 dilation uint32* read # steps between the cells of a window
  10013 avg_include_pad bool read # Intel: whether padding counts in a mean
  10014 axis int32 =1 # Intel: the channels' axis
  10005 kernel_depth uint32 read # C3D: frames of a window
  10006 temporal_stride uint32 read # C3D: frames from one window to the next
  10007 kernel_size_3d uint32* refused # frames, height and width of a window
  10008 stride_3d uint32* refused # frames, rows and columns from one window to the next
  10009 pad_3d uint32* refused # cells added at the ends of frames, rows and columns
  10015 pad_type uint32 =0 # Synopsys: 1 pads as TensorFlow's SAME does
  16 pad_l uint32 =0 # Synopsys: cells on the left only
  17 pad_r uint32 =0 # Synopsys: cells on the right only
  18 pad_t uint32 =0 # Synopsys: cells on top only
  19 pad_b uint32 =0 # Synopsys: cells at the bottom only
  21 output_shift_instead_division uint32 =0 # Synopsys: a mean divides by a power of two
  22 saturate .PoolingParameter.SaturateMethod =None # Synopsys: the top is cut to a range
  30 input_scale double =1 # Synopsys: the step of a quantized bottom
  31 output_scale double =1 # Synopsys: the step of a quantized top
  35 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  36 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

PriorBoxParameter
  10014 faceboxes bool =false # FaceBoxes: boxes are denser
  10017 tf bool =false # Synopsys: TensorFlow's boxes
  10018 yx_order bool =false # Synopsys: y comes before x
  10019 keras bool =false # Synopsys: Keras' boxes

RecurrentParameter
  13 default_initial bool =false # Synopsys: the last state is an additional top
  14 continue_recur bool =false # Synopsys: there is no bottom that says where sequences begin
  7 tf_rnn bool =false # Synopsys: the state is the top
  8 linear_before_reset uint32 =0 # Synopsys: the order of products in a GRU
  9 direction string =forward # Synopsys: whether steps are read from the end
  10 activation_alpha float* refused # Synopsys: ONNX's arguments of activations
  11 activation_beta float* refused # Synopsys: ONNX's arguments of activations
  12 activations string* refused # Synopsys: other activations

ReLUParameter
  enum Engine MKL2017=3 MKLDNN=4
  enum SaturateMethod None=0 Signed=1 Unsigned=2 Signed_8bit=3 Unsigned_8bit=4
  3 fuse bool =false # Intel: the layer before applies it already
  10003 relu6 bool read # Synopsys: the top is 6 at most
  10004 saturate .ReLUParameter.SaturateMethod =None # Synopsys: the top is cut to a range
  6 maximum float =0 # Synopsys: the largest value of the top
  7 minimum float =0 # Synopsys: the least value of the top
  13 input_scale double =1 # Synopsys: the step of a quantized bottom
  14 output_scale double =1 # Synopsys: the step of a quantized top
  15 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  16 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

ResampleParameter
  5 factor float idle # FlowNet: its code does not look at it

ReshapeParameter
  4 pixelshuffler int32 read # Synopsys: channels become pixels of a map so many times as large

ROIPoolingParameter
  10004 pooled_size uint32* read # Intel: height and width of the top
  5 ringpad bool =false # panoramas: the map is a ring

ScaleParameter
  6 dis_mode bool idle # Synopsys: trained in turns, with the discriminator
  7 gen_mode bool idle # Synopsys: trained in turns, with the generator

SigmoidParameter
  enum Engine MKL2017=3 MKLDNN=4
  3 input_scale double =1 # Synopsys: the step of a quantized bottom
  4 output_scale double =1 # Synopsys: the step of a quantized top
  5 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  6 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

SoftmaxParameter
  enum Engine MKL2017=3 MKLDNN=4
  3 input_scale double =1 # Synopsys: the step of a quantized bottom
  4 output_scale double =1 # Synopsys: the step of a quantized top
  5 input_zero_point int32 =0 # Synopsys: what zero is in a quantized bottom
  6 output_zero_point int32 =0 # Synopsys: what zero is in a quantized top

SplitParameter
  enum Engine DEFAULT=0 CAFFE=1 MKL2017=3 MKLDNN=4
  1 engine .SplitParameter.Engine idle # Intel: which code computes it

SPPParameter
  enum Engine MKL2017=3 MKLDNN=4

TanHParameter
  enum Engine MKL2017=3 MKLDNN=4

LayerParameter
  10147 split_param SplitParameter
  10149 engine string idle # Intel: which code computes it

NetParameter
  9 engine string idle # Intel: which code computes it
  11 bn_stats_batch_size uint32 idle # Intel: how many images a mean is taken over in training

V1LayerParameter
  enum LayerType CROP=40 RELU6=1041 CONVOLUTION3D=1030 POOLING3D=1031 VOLUME_DATA=1032
  enum LayerType VIDEO_DATA=1033 DECONVOLUTION3D=1034 VIDEO_SEGMENTATION_DATA=1035
  enum LayerType VOXEL_SOFTMAX=1036 VOXEL_SOFTMAX_LOSS=1037 VIDEO_WITH_VOXEL_TRUTH_DATA=1038
  enum LayerType VOXEL_CUSTOM_LOSS=1039 DOWN_SAMPLING=1040 ELTWISE_PRODUCT=1025
  enum LayerType IMAGE_SEG_DATA=139 DENSE_IMAGE_DATA=2000 BN=2001 UPSAMPLE=2002
  enum LayerType ROI_POOLING=2004 SMOOTH_L1_LOSS=2005 INTERP=2009
"""
