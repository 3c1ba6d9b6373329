from keras_fcn.training.class_results import ClassificationResult as ClassificationResult
from keras_fcn.training.class_weights import (
    median_frequency_weights as median_frequency_weights,
)
from keras_fcn.training.config import TrainingConfig as TrainingConfig
from keras_fcn.training.evaluation import evaluate as evaluate
from keras_fcn.training.fine_tuning import FineTuneResult as FineTuneResult
from keras_fcn.training.fine_tuning import fine_tune as fine_tune
from keras_fcn.training.losses import FocalLoss as FocalLoss
from keras_fcn.training.losses import OhemCrossEntropy as OhemCrossEntropy
from keras_fcn.training.losses import PixelwiseCrossEntropy as PixelwiseCrossEntropy
from keras_fcn.training.metrics import SegmentationMetrics as SegmentationMetrics
from keras_fcn.training.metrics import SegmentationResult as SegmentationResult
from keras_fcn.training.metrics import confusion_matrix as confusion_matrix
from keras_fcn.training.region_losses import DiceLoss as DiceLoss
from keras_fcn.training.region_losses import LovaszSoftmaxLoss as LovaszSoftmaxLoss
from keras_fcn.training.runtime.choice import find_strategy as find_strategy
from keras_fcn.training.schedules import CaffeSchedule as CaffeSchedule
from keras_fcn.training.schedules import WarmUp as WarmUp
from keras_fcn.training.statistics import update_statistics as update_statistics
