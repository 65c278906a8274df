"""ClickHouse, by both of its Delta parsers: `read_chdb.py plan.json kernel|old`."""

import sys

import judge
from chdb import session

kernel = 1 if sys.argv[2] == "kernel" else 0
db = session.Session()


def literal(q):
    if q["column"].endswith("_at"):
        return f"fromUnixTimestamp64Micro({q['value']})"
    return "'" + q["value"].replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def read(table, v):
    source = f"deltaLakeLocal('{table['path']}')"
    settings = f"SETTINGS allow_experimental_delta_kernel_rs={kernel}, output_format_arrow_string_as_string=1"
    if not v["head"]:
        settings += f", delta_lake_snapshot_version={v['version']}"
    try:
        rows = db.query(f"SELECT * FROM {source} {settings}", "ArrowTable")
    except Exception:
        # chdb 4.4.0 begins the next Arrow answer with what it had of this one: let a query take that.
        try:
            db.query("SELECT 1", "ArrowTable")
        except Exception:
            pass
        raise
    answers = [int(db.query(f"SELECT count() FROM {source} WHERE {q['column']} {q['op']} {literal(q)} {settings}", "TSV").data()) for q in v["questions"]]
    total = db.query(f"SELECT toInt64(ifNull(sum({table['sum']}), 0)) FROM {source} {settings}", "TSV").data()
    return rows, total, answers


judge.answer(read)
