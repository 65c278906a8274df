"""A table in a bucket, counted by delta-rs, Polars or ClickHouse: `read_s3.py READER BUCKET PREFIX`."""

import os
import sys

import judge

reader, bucket, prefix = sys.argv[1:]
endpoint, key, secret = (os.environ[v] for v in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
if reader == "deltalake":
    from deltalake import DeltaTable

    n = DeltaTable(f"s3://{bucket}/{prefix}", storage_options=options).to_pyarrow_table().num_rows
elif reader == "polars":
    import polars as pl

    n = pl.scan_delta(f"s3://{bucket}/{prefix}", storage_options=options).select(pl.len()).collect().item()
else:
    from chdb import session

    n = int(session.Session().query(f"SELECT count() FROM deltaLake('{endpoint}/{bucket}/{prefix}/', '{key}', '{secret}')", "TSV").data())
judge.say(rows=n)
judge.leave()
