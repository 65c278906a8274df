"""Outcomes and accuracy straight from the lake, with Spark; nothing of ours runs.

    spark-submit --packages io.delta:delta-spark_4.1_2.13:4.1.0 \\
        --conf spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension \\
        --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog \\
        docs/recipes/outcomes_spark.py s3a://bucket/lake OUT

OUT is where the outcomes go, as Parquet, partitioned by basis and horizon; the accuracy table is printed as JSON lines.
The SQL is that of DuckDB's recipe; only exploding a list is another word in every engine.
"""

import os
import sys

from pyspark.sql import SparkSession

lake, out = sys.argv[1:3]
recipes = os.path.dirname(os.path.abspath(__file__))
spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
for stream in ("predictions", "prices"):
    spark.read.format("delta").load(lake + "/" + stream).createOrReplaceTempView("events_" + stream)
spark.read.csv(os.path.join(recipes, "sessions.csv"), header=True).createOrReplaceTempView("sessions")
spark.sql("CREATE OR REPLACE TEMPORARY VIEW settings AS SELECT 'SPY' AS benchmark, CAST(0.5 AS DOUBLE) AS band")
# Of an analysis the first answer stands (domain.md 2.1); what was retracted counts as never written.
spark.sql("""CREATE OR REPLACE TEMPORARY VIEW calls AS
    WITH taken_back AS (SELECT retracted_events, retracted_batch FROM events_predictions WHERE kind = 'retracted'),
    made AS (SELECT *, row_number() OVER (PARTITION BY prediction_id ORDER BY recorded_at, event_id) AS age
        FROM events_predictions e WHERE kind = 'prediction_made' AND NOT EXISTS (SELECT 1 FROM taken_back r
            WHERE array_contains(r.retracted_events, e.event_id) OR r.retracted_batch = e.batch_id)),
    asset AS (SELECT prediction_id, post_id, published_at, occurred_at AS predicted_at, prompt_version, explode(assets) AS a FROM made WHERE age = 1)
    SELECT prediction_id, post_id, published_at, predicted_at, prompt_version, a.symbol, nullif(a.sentiment, '') AS sentiment FROM asset""")


def read(name):
    with open(os.path.join(recipes, name), encoding="utf-8") as f:
        return f.read().rstrip().rstrip(";")


spark.sql(read("outcomes.sql"))
spark.table("lake_outcomes").write.partitionBy("basis", "horizon").mode("overwrite").parquet(out)
# What was written is read again: the outcomes are computed once.
spark.read.parquet(out).createOrReplaceTempView("lake_outcomes")
for line in spark.sql(read("accuracy.sql")).toJSON().collect():
    print(line)
