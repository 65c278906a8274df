"""Spark tails a table: `stream_spark.py TABLE CHECKPOINT`.

It prints a line for each batch, goes on while the test appends and compacts, and ends with what it
saw when its standard input ends. A change of the
table's schema stops a running stream by design; it is started again from its checkpoint and counted.
"""

import sys
import threading

import judge
import spark

session = spark.session()
rows, restarts = [], 0


def take(batch, _):
    rows.append(batch.toArrow())
    judge.say(batches=len(rows))


def start():
    stream = session.readStream.format("delta").load(sys.argv[1])
    return stream.writeStream.foreachBatch(take).option("checkpointLocation", sys.argv[2]).trigger(processingTime="200 milliseconds").start()


def caught_up(query):
    global restarts
    while True:
        try:
            query.processAllAvailable()
            return query
        except Exception as e:
            if "SCHEMA_CHANGED" not in str(e) or restarts > 5:
                raise
            restarts += 1
            query = start()


query = caught_up(start())
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
while not stop.wait(0.2):
    query = caught_up(query)
query = caught_up(query)
query.stop()
judge.say(**judge.digest_all(rows), restarts=restarts, batches=len(rows), done=True)
judge.leave()
