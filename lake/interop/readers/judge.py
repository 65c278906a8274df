"""What all readers share: a canonical form of a row, and the protocol with the Go test.

The test runs `read_X.py plan.json`. The plan lists tables, versions and questions. The reader answers
each version with one JSON line: how many rows it read, an order-free hash over every value of every
column, a sum that its own engine computed, and the row counts of filters that it may answer with the
help of the log's statistics. What it cannot read it answers with the error.
"""

import hashlib
import json
import os
import struct
import sys

import pyarrow as pa
import pyarrow.types as t

MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def plain(array, kind):
    """The values of an Arrow array: times as microseconds, dates as days since 1970, binary as text."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks else pa.array([], kind)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if t.is_timestamp(kind):
        if kind.unit not in MICROS:
            raise TypeError(f"timestamp in {kind.unit}, want microseconds or coarser")
        return [None if v is None else v * MICROS[kind.unit] for v in array.cast(pa.int64()).to_pylist()]
    if t.is_date32(kind):
        return array.cast(pa.int32()).to_pylist()
    if t.is_list(kind) or t.is_large_list(kind):
        return array.to_pylist()
    if t.is_binary(kind) or t.is_large_binary(kind):
        return [None if v is None else v.decode() for v in array.to_pylist()]
    return array.to_pylist()


def encode(v):
    """The canonical bytes of a value. Only its type and value matter, not how a reader held it."""
    if isinstance(v, bool):
        return b"t" if v else b"f"
    if isinstance(v, int):
        return b"i%d" % v
    if isinstance(v, float):
        return b"d" + struct.pack(">d", v).hex().encode()
    if isinstance(v, (str, bytes)):
        b = v.encode() if isinstance(v, str) else v
        return b"s%d:" % len(b) + b
    if isinstance(v, (list, tuple)):
        return b"[" + b"".join(encode(x) for x in v) + b"]"
    if isinstance(v, dict):
        return b"{" + b"".join(k.encode() + b"=" + encode(v[k]) + b";" for k in sorted(v) if v[k] is not None) + b"}"
    raise TypeError(f"value of type {type(v)}")


def digest(table):
    """Rows and hash of an Arrow table: the sum modulo 2^64 of the first 8 bytes of each row's SHA-256.
    Nulls and empty lists are left out, so a column that a file lacks is like a null."""
    rows = [[] for _ in range(table.num_rows)]
    for name in sorted(table.column_names):
        column = table.column(name)
        prefix = name.encode() + b"="
        for row, v in zip(rows, plain(column, column.type)):
            if v is not None and v != []:
                row.append(prefix + encode(v) + b";")
    total = sum(int.from_bytes(hashlib.sha256(b"".join(r)).digest()[:8], "big") for r in rows)
    return {"rows": table.num_rows, "hash": f"{total % 2**64:016x}"}


def digest_all(tables):
    """The digest of several tables as one."""
    parts = [digest(t) for t in tables]
    total = sum(int(p["hash"], 16) for p in parts)
    return {"rows": sum(p["rows"] for p in parts), "hash": f"{total % 2**64:016x}"}


def leave():
    """Ends the process at once: native threads of a reader may abort the interpreter's own way out."""
    sys.stdout.flush()
    os._exit(0)


def say(**answer):
    print(json.dumps(answer), flush=True)


def answer(read):
    """Answers the plan. read(table, version) returns (an Arrow table, the sum, [a count per question])."""
    with open(sys.argv[1], encoding="utf-8") as f:
        plan = json.load(f)
    for table in plan:
        for v in table["versions"]:
            about = {"table": table["name"], "version": v["version"]}
            try:
                rows, total, counts = read(table, v)
                say(**about, **digest(rows), sum=int(total or 0), counts=[int(c) for c in counts])
            except Exception as e:  # whatever the reader says is its answer
                say(**about, error=f"{type(e).__name__}: {e}"[:2000])
    leave()
