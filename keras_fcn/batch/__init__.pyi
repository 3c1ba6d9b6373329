from keras_fcn.batch.over_ray import ray_predict as ray_predict
from keras_fcn.batch.over_spark import spark_udf as spark_udf
