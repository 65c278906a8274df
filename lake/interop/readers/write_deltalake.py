"""delta-rs changes a table of ours: `write_deltalake.py TABLE CASE`. What it answers is the error it
raised, if it did. Whatever it writes carries event ids of 32 digits that no event of ours has."""

import datetime
import sys

import pyarrow as pa

import deltalake
import judge
from deltalake import DeltaTable, write_deltalake

path, case = sys.argv[1:]
table = DeltaTable(path)


def rows(n=3):
    t = table.to_pyarrow_table().sort_by("event_id").slice(0, n)
    return put(t, "event_id", pa.array([f"{k:032d}" for k in range(n)]))


def put(t, name, values):
    i = t.column_names.index(name)
    return t.set_column(i, name, values)


def cast(kinds):
    t = rows()
    return t.cast(pa.schema([pa.field(f.name, kinds.get(f.type, f.type)) for f in t.schema]))


CASES = {
    "append": lambda: write_deltalake(path, rows(), mode="append"),
    "append large strings": lambda: write_deltalake(path, cast({pa.string(): pa.large_string()}), mode="append"),
    "append string views": lambda: write_deltalake(path, cast({pa.string(): pa.string_view()}), mode="append"),
    "append nanoseconds": lambda: write_deltalake(path, put(rows(), "occurred_at", rows().column("occurred_at").cast(pa.timestamp("ns", "UTC"))), mode="append"),
    "append snappy": lambda: write_deltalake(path, rows(), mode="append", writer_properties=deltalake.WriterProperties(compression="SNAPPY")),
    "append fewer columns": lambda: write_deltalake(path, rows().drop_columns(["assets", "payload", "synthetic"]), mode="append", schema_mode="merge"),
    "append another column": lambda: write_deltalake(path, rows().append_column("their_note", pa.array(["a", "b", "c"])), mode="append", schema_mode="merge"),
    "append without event_id": lambda: write_deltalake(path, rows().drop_columns(["event_id"]), mode="append", schema_mode="merge"),
    "append naive timestamps": lambda: write_deltalake(
        path, rows().append_column("naive", pa.array([datetime.datetime(2025, 1, 1)] * 3, pa.timestamp("us"))), mode="append", schema_mode="merge"
    ),
    "optimize": lambda: table.optimize.compact(),
    "z-order": lambda: table.optimize.z_order(["key"]),
    "checkpoint": lambda: table.create_checkpoint(),
    "clean the log": lambda: table.cleanup_metadata(),
    "set properties": lambda: table.alter.set_table_properties({"delta.enableChangeDataFeed": "true"}),
    "deletion vectors": lambda: table.alter.add_feature(deltalake.TableFeatures.DeletionVectors, allow_protocol_versions_increase=True),
    "delete": lambda: table.delete("kind = 'prediction_made'"),
    "update": lambda: table.update(predicate="true", updates={"source": "'x'"}),
    "overwrite": lambda: write_deltalake(path, rows(), mode="overwrite"),
    "restore": lambda: table.restore(2),
}
try:
    CASES[case]()
    judge.say(error="")
except Exception as e:
    judge.say(error=f"{type(e).__name__}: {e}"[:500])
judge.leave()
