"""Many pictures past one machine: Ray Data and Spark.

    import ray

    from keras_fcn import batch

    photos = ray.data.read_binary_files("s3://photos/", include_paths=True)
    batch.ray_predict(photos, "net.keras", workers=8).write_parquet("s3://results/")

Names are loaded when first used; Ray and Spark by the functions that need them.
"""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
