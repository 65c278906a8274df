"""A Spark session with Delta, on two cores of this machine and no network."""

import glob
import os

import pyspark.sql


def session():
    jars = glob.glob(os.path.join(os.environ["INTEROP_JARS"], "*.jar"))
    return (
        pyspark.sql.SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(jars))
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.warehouse.dir", os.path.join(os.environ["INTEROP_TEMP"], "warehouse"))
        .config("spark.driver.extraJavaOptions", "-Dderby.system.home=" + os.environ["INTEROP_TEMP"])
        .getOrCreate()
    )
