"""Runs one recipe of docs/readers.md: `recipe.py "LANGUAGE READER" FILE`."""

import os
import sys

kind, file = sys.argv[1:]
with open(file, encoding="utf-8") as f:
    text = f.read()
if kind == "sql chdb":
    from chdb import session

    db = session.Session()
    for statement in text.replace("{LAKE}", os.environ["LAKE"]).split(";"):
        if statement.strip():
            print(db.query(statement, "CSV"), end="")
else:
    if kind == "python spark":
        import spark

        spark.session()
    exec(compile(text, file, "exec"), {})
sys.stdout.flush()
os._exit(0)
