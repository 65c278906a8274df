"""DuckDB without its delta extension: the live files by folding the JSON log, then read_parquet."""

import glob
import json
import os
import urllib.parse

import duckdb
import pyarrow as pa

import judge


def live(table, version):
    """The log is never cleaned, so its JSON alone gives the table at every version."""
    files = {}
    for commit in sorted(glob.glob(os.path.join(table, "_delta_log", "*.json"))):
        if int(os.path.basename(commit)[:20]) > version:
            break
        with open(commit, encoding="utf-8") as f:
            actions = [json.loads(line) for line in f if line.strip()]
        for a in actions:
            if "remove" in a:
                files.pop(a["remove"]["path"], None)
        for a in actions:
            if "add" in a:
                files[a["add"]["path"]] = True
    return [os.path.join(table, urllib.parse.unquote(p)) for p in files]


def read(table, v):
    files = live(table["path"], v["version"])
    if not files:  # read_parquet wants at least one
        return pa.table({}), 0, [0 for _ in v["questions"]]
    db = duckdb.connect()
    db.execute("SET TimeZone='UTC'")
    db.execute("SET autoinstall_known_extensions=false")
    db.read_parquet(files, union_by_name=True).create_view("t")

    def one(sql, *args):
        return db.execute(sql, args).fetchall()[0][0]

    answers = []
    for q in v["questions"]:
        value, mark = q["value"], "?"
        if q["column"].endswith("_at"):
            mark = "make_timestamptz(?)"
        answers.append(one(f"SELECT count(*) FROM t WHERE {q['column']} {q['op']} {mark}", value))
    return db.sql("FROM t").to_arrow_table(), one(f"SELECT sum({table['sum']}) FROM t"), answers


judge.answer(read)
