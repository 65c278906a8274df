-- Before outcomes.sql in DuckDB: lakesql has events_prices and calls; these are the other two.
--   cat docs/recipes/duckdb.sql docs/recipes/outcomes.sql docs/recipes/accuracy.sql | bin/lakesql --lake data/demo/lake --format csv -f -
CREATE TEMPORARY VIEW sessions AS SELECT * FROM read_csv('docs/recipes/sessions.csv', header = true, all_varchar = true);
CREATE TEMPORARY VIEW settings AS SELECT 'SPY' AS benchmark, CAST(0.5 AS DOUBLE) AS band;
