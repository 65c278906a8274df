// Package interop asks readers that we did not write whether the lake is what it says: Delta tables
// that anybody can read. It holds tests and the small scripts they run, no code for others.
//
// A history is a table with everything that can happen to one: appends by several writers at once,
// an older schema and a newer one, compactions, checkpoints, retractions, vacuums. A model keeps,
// apart from the lake's own code, which rows each version has. Then ClickHouse (by both of its Delta
// parsers), delta-rs, Polars, DuckDB and Spark read every version and are compared with the model: in
// count, in an order-free hash over every value of every column, in a sum, and in the counts of
// filters that they may answer with the help of the log's statistics.
//
// The readers are installed by install.sh into .cache/interop; `make interop` does both. Without the
// flag -interop the tests need nothing installed: the histories are made and read by our own reader
// alone, and what was left out is said.
package interop
