-- The accuracy table of the read model (view accuracy) from lake_outcomes: same figures, per call.
SELECT basis, horizon, origin, count(*) AS n, sum(CASE WHEN correct THEN 1 ELSE 0 END) AS correct,
    100 * avg(CASE WHEN correct THEN CAST(1 AS DOUBLE) ELSE 0 END) AS accuracy_pct,
    100 * avg(CASE WHEN move = 1 THEN CAST(1 AS DOUBLE) ELSE 0 END) AS always_bullish_pct,
    avg(return_pct) AS avg_return_pct, avg(abnormal_pct) AS avg_abnormal_pct, sum(pnl) AS total_pnl, count(DISTINCT post_id) AS posts
FROM lake_outcomes WHERE sentiment IS NOT NULL
GROUP BY basis, horizon, origin ORDER BY basis, horizon, origin;
