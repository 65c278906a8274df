#!/bin/sh
# Install the foreign readers of `make interop` below .cache/interop of this repository, and write
# .cache/interop/readers.tsv: one line per reader with its version, or "-" and why it is not to be
# had. Idempotent: what is there at the pinned version is left alone. Exit 0 also when some reader
# cannot be had; the tests say so, and fail where one is required.
#
#   lake/interop/install.sh [reader …]      # default: all of them
set -u
cd "$(dirname "$0")/../.." || exit 1
DIR=.cache/interop
VENV=$DIR/venv
M2=$PWD/$DIR/m2
mkdir -p "$DIR"
: > "$DIR/readers.tsv.new"

PYARROW=26.0.1 CHDB=4.4.0 DELTALAKE=1.6.6 POLARS=2.1.0 DUCKDB=2.0.0 PANDAS=3.1.1
# delta-spark is built for one exact Spark: with PySpark 4.1.4 it fails at the first checkpoint (NoSuchMethodError).
PYSPARK=4.1.0 DELTA_SPARK=4.1.0 DELTA_SPARK_ARTIFACT=delta-spark_4.1_2.13

say() { # reader version reason
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$DIR/readers.tsv.new"
	if [ "$2" = - ]; then echo "  $1: NOT TO BE HAD: $3"; else echo "  $1 $2: installed"; fi
}
wanted() { [ -z "$WANTED" ] || case " $WANTED " in *" $1 "*) true ;; *) false ;; esac; }
last() { tail -n 1 "$DIR/log" | tr '\t' ' ' | cut -c1-200; }
python() { # package version
	"$VENV/bin/python" -c 'import sys, importlib.metadata as m; sys.exit(m.version(sys.argv[1]) != sys.argv[2])' "$1" "$2" 2> /dev/null ||
		"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$1==$2" > "$DIR/log" 2>&1
}
reader() { # name package version
	wanted "$1" || return 0
	if python "$2" "$3"; then say "$1" "$3" ""; else say "$1" - "pip install $2==$3: $(last)"; fi
}

WANTED=$*
echo "foreign readers in $DIR:"
if [ ! -x "$VENV/bin/python" ] && ! python3 -m venv "$VENV" > "$DIR/log" 2>&1 || ! python pyarrow $PYARROW; then
	for name in pyarrow chdb deltalake polars duckdb pandas spark; do say $name - "no Python with pyarrow: $(last)"; done
	mv "$DIR/readers.tsv.new" "$DIR/readers.tsv"
	exit 0
fi
reader pyarrow pyarrow $PYARROW
reader chdb chdb $CHDB
reader deltalake deltalake $DELTALAKE
reader polars polars $POLARS
reader pandas pandas $PANDAS
reader duckdb duckdb $DUCKDB
if wanted duckdb-extension; then
	if "$VENV/bin/python" -c 'import duckdb; duckdb.sql("INSTALL delta; LOAD delta")' > "$DIR/log" 2>&1; then
		say duckdb-extension $DUCKDB ""
	else
		say duckdb-extension - "INSTALL delta: $(grep -m 1 Error "$DIR/log" | tr '\t' ' ' | cut -c1-120)"
	fi
fi
if wanted spark; then
	jar() { # artifact version
		[ -f "$M2/io/delta/$1/$2/$1-$2.jar" ] ||
			mvn -q -B "-Dmaven.repo.local=$M2" dependency:get "-Dartifact=io.delta:$1:$2" -Dtransitive=false > "$DIR/log" 2>&1
	}
	if ! java -version > "$DIR/log" 2>&1; then say spark - "no java (17 or 21): $(last)"
	elif ! command -v mvn > /dev/null; then say spark - "no mvn to fetch delta-spark with"
	elif ! python pyspark $PYSPARK; then say spark - "pip install pyspark==$PYSPARK: $(last)"
	elif ! jar $DELTA_SPARK_ARTIFACT $DELTA_SPARK || ! jar delta-storage $DELTA_SPARK; then
		say spark - "mvn io.delta:$DELTA_SPARK_ARTIFACT:$DELTA_SPARK: $(grep -m 1 ERROR "$DIR/log" | cut -c1-160)"
	else
		mkdir -p "$DIR/jars"
		for a in $DELTA_SPARK_ARTIFACT delta-storage; do cp "$M2/io/delta/$a/$DELTA_SPARK/$a-$DELTA_SPARK.jar" "$DIR/jars/"; done
		say spark $PYSPARK+delta-spark-$DELTA_SPARK ""
	fi
fi
# Readers that were not asked for this time keep the line they had.
if [ -f "$DIR/readers.tsv" ]; then
	while IFS= read -r line; do
		grep -q "^${line%%	*}	" "$DIR/readers.tsv.new" || printf '%s\n' "$line" >> "$DIR/readers.tsv.new"
	done < "$DIR/readers.tsv"
fi
mv "$DIR/readers.tsv.new" "$DIR/readers.tsv"
