-- Schema legacy: the Python system's tables and columns as views on the read model, both generations' names, so that
-- its old SQL still runs (domain.md 7). Made beside the tables of a build and swapped in with them: here the schema is
-- called legacy_next. Times are UTC without a zone, as they were there; P&L is that of 1,000 dollars held long.
DROP SCHEMA IF EXISTS legacy_next CASCADE;
CREATE SCHEMA legacy_next;
COMMENT ON SCHEMA legacy_next IS 'The Python system''s tables as views on the read model. Swapped with it.';

-- The row id of imported predictions; of others 60 bits of their hash.
CREATE FUNCTION legacy_next.row_id(prediction_id text, prompt_version text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN prompt_version ~ '^legacy:[0-9]{1,18}$' THEN substr(prompt_version, 8)::bigint
    WHEN prediction_id ~ '^[0-9a-f]{15}' THEN ('x' || left(prediction_id, 15))::bit(60)::bigint
    ELSE ('x' || left(md5(prediction_id), 15))::bit(60)::bigint END;

CREATE VIEW legacy_next.truth_social_shitposts AS
SELECT post_id AS shitpost_id, post_id AS id, html AS content, text, published_at AT TIME ZONE 'UTC' AS "timestamp", language, url,
    account_id, account_username AS username, account_display_name, account_followers AS account_followers_count, account_verified,
    coalesce(replies, 0)::integer AS replies_count, coalesce(reblogs, 0)::integer AS reblogs_count, coalesce(favourites, 0)::integer AS favourites_count,
    coalesce(upvotes, 0)::integer AS upvotes_count, coalesce(downvotes, 0)::integer AS downvotes_count,
    cardinality(media_urls) > 0 AS has_media, to_json(media_urls) AS media_attachments, to_json(mentions) AS mentions, to_json(tags) AS tags,
    in_reply_to_id, CASE WHEN reblog_id IS NOT NULL OR is_repost THEN json_build_object('id', reblog_id) END AS reblog,
    edited_at AT TIME ZONE 'UTC' AS edited_at,
    json_build_object('id', post_id, 'created_at', published_at, 'content', html, 'text', text, 'url', url, 'media_attachments', media_urls) AS raw_api_data,
    first_recorded_at AT TIME ZONE 'UTC' AS created_at, recorded_at AT TIME ZONE 'UTC' AS updated_at
FROM posts;

CREATE VIEW legacy_next.signals AS
SELECT post_id AS signal_id, post_id AS id, 'truth_social'::text AS source, text, html AS content_html, published_at AT TIME ZONE 'UTC' AS published_at,
    account_username AS author_username, account_display_name AS author_display_name, account_followers AS author_followers, account_verified AS author_verified,
    url, language, coalesce(favourites, 0)::integer AS likes_count, coalesce(reblogs, 0)::integer AS shares_count, coalesce(replies, 0)::integer AS replies_count,
    is_repost, cardinality(media_urls) > 0 AS has_media,
    json_build_object('upvotes', upvotes, 'downvotes', downvotes, 'in_reply_to_id', in_reply_to_id, 'quote_id', quote_id, 'reblog_id', reblog_id,
        'tags', tags, 'mentions', mentions, 'card_title', card_title, 'card_url', card_url) AS platform_data,
    json_build_object('id', post_id, 'created_at', published_at, 'content', html, 'text', text, 'url', url, 'media_attachments', media_urls) AS raw_api_data,
    first_recorded_at AT TIME ZONE 'UTC' AS created_at, recorded_at AT TIME ZONE 'UTC' AS updated_at
FROM posts;

CREATE VIEW legacy_next.shitposts AS
SELECT p.post_id AS id, p.text AS body, p.published_at AT TIME ZONE 'UTC' AS created_at, p.is_repost AS retruth,
    coalesce(s.analysis = 'completed', false) AS analyzed, coalesce(s.analysis = 'bypassed', false) AS bypassed,
    'truth-social/raw/' || to_char(p.published_at AT TIME ZONE 'UTC', 'YYYY/MM/DD/') || p.post_id || '.json' AS s3_location
FROM posts p JOIN posts_status s USING (post_id);

CREATE VIEW legacy_next.predictions AS
SELECT legacy_next.row_id(a.prediction_id, a.prompt_version) AS id, a.post_id AS shitpost_id, a.post_id AS signal_id,
    to_json(c.symbols) AS assets, c.impact AS market_impact, a.confidence, a.thesis, a.thesis AS reasoning, c.sentiment,
    CASE a.status WHEN 'failed' THEN 'error' WHEN 'retrying' THEN 'pending' ELSE a.status END AS analysis_status,
    CASE WHEN a.status <> 'completed' THEN a.reason END AS analysis_comment, CASE WHEN a.status = 'bypassed' THEN a.reason END AS bypass_reason,
    a.provider AS llm_provider, a.model AS llm_model, coalesce(a.predicted_at, a.recorded_at) AT TIME ZONE 'UTC' AS analysis_timestamp,
    p.replies::integer AS replies_at_analysis, p.reblogs::integer AS reblogs_at_analysis, p.favourites::integer AS favourites_at_analysis,
    p.upvotes::integer AS upvotes_at_analysis, a.recorded_at AT TIME ZONE 'UTC' AS created_at, a.recorded_at AT TIME ZONE 'UTC' AS updated_at
FROM predictions a
LEFT JOIN posts p USING (post_id)
CROSS JOIN LATERAL (SELECT coalesce(array_agg(x.symbol ORDER BY x.position), '{}') AS symbols,
    coalesce(json_object_agg(x.symbol, x.sentiment ORDER BY x.position) FILTER (WHERE x.sentiment IS NOT NULL), '{}') AS impact,
    (array_agg(x.sentiment ORDER BY x.position))[1] AS sentiment FROM calls x WHERE x.prediction_id = a.prediction_id) c;

-- One row per symbol and day: of the source that outcomes would take first.
CREATE VIEW legacy_next.market_prices AS
SELECT DISTINCT ON (symbol, session_date) symbol, symbol AS asset, session_date AS date, open, high, low, close, volume::bigint AS volume,
    coalesce(adj_close, close) AS adjusted_close, source, coalesce(fetched_at, recorded_at) AT TIME ZONE 'UTC' AS last_updated,
    true AS is_market_open, true AS has_split_adjustment
FROM bars WHERE "interval" = '1d'
ORDER BY symbol, session_date, array_position(ARRAY['split', 'none', 'dividend'], adjustment),
    array_position(ARRAY['yahoo', 'stooq', 'file', 'legacy', 'simulator'], split_part(source, ':', 1)), source_rank, source;

CREATE VIEW legacy_next.prediction_outcomes AS
SELECT legacy_next.row_id(c.prediction_id, a.prompt_version) AS prediction_id, c.symbol, (c.published_at AT TIME ZONE 'UTC')::date AS prediction_date,
    c.sentiment AS prediction_sentiment, c.confidence AS prediction_confidence, o1.base_price AS price_at_prediction,
    o1.target_price AS price_t1, o3.target_price AS price_t3, o7.target_price AS price_t7, o30.target_price AS price_t30,
    o1.return_pct::float8 AS return_t1, o3.return_pct::float8 AS return_t3, o7.return_pct::float8 AS return_t7, o30.return_pct::float8 AS return_t30,
    o1.correct AS correct_t1, o3.correct AS correct_t3, o7.correct AS correct_t7, o30.correct AS correct_t30,
    o1.pnl_long::float8 AS pnl_t1, o3.pnl_long::float8 AS pnl_t3, o7.pnl_long::float8 AS pnl_t7, o30.pnl_long::float8 AS pnl_t30,
    num_nulls(o1.return_pct, o3.return_pct, o7.return_pct, o30.return_pct) = 0 AS is_complete
FROM calls c
JOIN predictions a USING (prediction_id)
JOIN outcomes o1 ON o1.prediction_id = c.prediction_id AND o1.symbol = c.symbol AND o1.basis = 'legacy' AND o1.horizon = 1
JOIN outcomes o3 ON o3.prediction_id = c.prediction_id AND o3.symbol = c.symbol AND o3.basis = 'legacy' AND o3.horizon = 3
JOIN outcomes o7 ON o7.prediction_id = c.prediction_id AND o7.symbol = c.symbol AND o7.basis = 'legacy' AND o7.horizon = 7
JOIN outcomes o30 ON o30.prediction_id = c.prediction_id AND o30.symbol = c.symbol AND o30.basis = 'legacy' AND o30.horizon = 30;

DO $$
DECLARE
    v record;
    c record;
BEGIN
    FOR v IN SELECT * FROM (VALUES ('truth_social_shitposts', 'posts, older generation'), ('signals', 'posts, newer generation'), ('shitposts', 'posts, seed level'),
        ('predictions', 'predictions of both generations'), ('market_prices', 'bars'), ('prediction_outcomes', 'outcomes of basis legacy')) AS t (name, said) LOOP
        EXECUTE format('COMMENT ON VIEW legacy_next.%I IS %L', v.name, 'The Python system''s table: ' || v.said || ' of the read model.');
        FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = format('legacy_next.%I', v.name)::regclass AND attnum > 0 LOOP
            EXECUTE format('COMMENT ON COLUMN legacy_next.%I.%I IS %L', v.name, c.attname, 'As in the Python system''s table.');
        END LOOP;
    END LOOP;
END $$;
