package query

// View describes one of the names that SQL can use.
type View struct{ Name, Says string }

// Views returns all names, with a line on each.
func Views() []View {
	return []View{
		{"posts", "every post in its current version, as the read model has it"},
		{"predictions", "every analysis of a post: completed, bypassed, retrying or failed"},
		{"calls", "every asset of a completed prediction"},
		{"prices", "the current daily bar of every symbol, session and source"},
		{"outcomes", "every call on every basis and horizon, computed now"},
		{"events_posts", "all events of stream posts"},
		{"events_predictions", "all events of stream predictions"},
		{"events_prices", "all events of stream prices"},
	}
}

const dropViews = `DROP VIEW IF EXISTS posts; DROP VIEW IF EXISTS calls; DROP VIEW IF EXISTS predictions; DROP VIEW IF EXISTS prices;
	DROP VIEW IF EXISTS valid_posts; DROP VIEW IF EXISTS valid_predictions; DROP VIEW IF EXISTS valid_prices;
	DROP VIEW IF EXISTS events_posts; DROP VIEW IF EXISTS events_predictions; DROP VIEW IF EXISTS events_prices; DROP TABLE IF EXISTS outcomes`

// The views of what is current follow the same rules as the read model (domain.md 1.2, 2.1, 3), with its
// tables' names of columns. An event that stands twice counts once, with its first recording. An empty
// text and a zero time of an optional column mean null, whichever of the two the file holds.

// blank is white space in the sense of event.IsBlank, quoted the beginning of a post that quotes or
// reposts another (event.Post.IsRepost), as RE2.
const (
	blank  = `[\s\x{0b}\x{85}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]`
	quoted = `^` + blank + `*RT:?\s*https?://\S*?/(\d{15,20})`
)

var currentPosts = []string{`CREATE VIEW posts AS
WITH said AS (
	SELECT post_id, source, kind, event_id, min(recorded_at) AS recorded_at, any_value(occurred_at) AS occurred_at,
		any_value(content_hash) AS content_hash, any_value(text_missing) AS text_missing
	FROM valid_posts WHERE kind IN ('post_observed', 'post_deleted', 'post_redacted') GROUP BY ALL),
ranked AS (
	SELECT *, row_number() OVER newest_first AS age, lag(content_hash) OVER oldest_first IS DISTINCT FROM content_hash AS changed
	FROM said WHERE kind = 'post_observed'
	WINDOW newest_first AS (PARTITION BY post_id, source ORDER BY recorded_at DESC, event_id DESC),
		oldest_first AS (PARTITION BY post_id, source ORDER BY recorded_at, event_id)),
sources AS (
	SELECT post_id, source, count(*) FILTER (WHERE changed) AS versions, min(recorded_at) AS first_recorded_at,
		any_value(event_id) FILTER (WHERE age = 1) AS event_id, any_value(recorded_at) FILTER (WHERE age = 1) AS recorded_at,
		any_value(text_missing) FILTER (WHERE age = 1) AS text_missing
	FROM ranked GROUP BY post_id, source),
best AS (
	SELECT *, count(*) OVER post AS sources, min(first_recorded_at) OVER post AS first_ever FROM sources
	WINDOW post AS (PARTITION BY post_id)
	QUALIFY row_number() OVER (PARTITION BY post_id ORDER BY CASE split_part(source, ':', 1) WHEN 'scrapecreators' THEN 0
		WHEN 'truthsocial' THEN 1 WHEN 'archive' THEN 2 WHEN 'legacy-s3' THEN 3 WHEN 'simulator' THEN 4 ELSE 5 END, text_missing, source) = 1),
gone AS (
	SELECT post_id, min(occurred_at) AS deleted_at FROM (
		SELECT * FROM said WHERE kind <> 'post_redacted'
		QUALIFY row_number() OVER (PARTITION BY post_id, source ORDER BY recorded_at DESC, event_id DESC) = 1)
	WHERE kind = 'post_deleted' GROUP BY post_id),
redacted AS (SELECT DISTINCT post_id FROM said WHERE kind = 'post_redacted'),
shown AS (
	SELECT e.* REPLACE (coalesce(e.text, '') AS text), b.versions, b.sources, b.first_ever, g.deleted_at, r.post_id IS NOT NULL AS is_redacted
	FROM best b JOIN valid_posts e ON e.event_id = b.event_id AND e.recorded_at = b.recorded_at
	LEFT JOIN gone g ON g.post_id = b.post_id LEFT JOIN redacted r ON r.post_id = b.post_id)
SELECT post_id, published_at, CASE WHEN is_redacted THEN '' ELSE text END AS text,
	CASE WHEN is_redacted THEN NULL ELSE nullif(html, '') END AS html, CASE WHEN is_redacted THEN NULL ELSE nullif(url, '') END AS url,
	nullif(language, '') AS language,
	coalesce(reblog_id, '') <> '' OR NOT is_redacted AND CASE WHEN regexp_matches(text, '` + quoted + `')
		THEN regexp_matches(regexp_replace(text, '` + quoted + `', ''), '^` + blank + `*$')
		ELSE starts_with(regexp_replace(text, '^` + blank + `+|` + blank + `+$', '', 'g'), 'RT ') END AS is_repost,
	text_missing, text_repaired AND NOT is_redacted AS text_repaired,
	nullif(source_created_at, TIMESTAMP '0001-01-01') AS source_created_at, nullif(edited_at, TIMESTAMP '0001-01-01') AS edited_at,
	replies, reblogs, favourites, upvotes, downvotes,
	nullif(account_id, '') AS account_id, nullif(account_username, '') AS account_username, nullif(account_display_name, '') AS account_display_name,
	account_followers, account_verified, CASE WHEN is_redacted THEN [] ELSE media_urls END AS media_urls,
	CASE WHEN is_redacted THEN NULL ELSE nullif(card_title, '') END AS card_title, CASE WHEN is_redacted THEN NULL ELSE nullif(card_url, '') END AS card_url,
	CASE WHEN is_redacted THEN [] ELSE mentions END AS mentions, CASE WHEN is_redacted THEN [] ELSE tags END AS tags,
	nullif(in_reply_to_id, '') AS in_reply_to_id, nullif(quote_id, '') AS quote_id, nullif(reblog_id, '') AS reblog_id,
	deleted_at IS NOT NULL AS is_deleted, is_redacted, deleted_at, versions, sources, first_ever AS first_recorded_at,
	event_id, source, synthetic, producer, batch_id, recorded_at
FROM shown`}

var currentPredictions = []string{`CREATE VIEW predictions AS
WITH said AS (
	SELECT * FROM valid_predictions WHERE kind IN ('prediction_made', 'post_bypassed', 'analysis_failed', 'analysis_requeued')
	QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY recorded_at) = 1),
cancelled AS (SELECT DISTINCT prediction_id, unnest(requeues) AS event_id FROM said WHERE len(requeues) > 0),
ranked AS (
	SELECT s.*, CASE WHEN kind = 'prediction_made' THEN 0 WHEN kind = 'post_bypassed' THEN 1
		WHEN kind = 'analysis_failed' AND c.event_id IS NULL THEN 2 ELSE 3 END AS rank
	FROM said s LEFT JOIN cancelled c ON c.prediction_id = s.prediction_id AND c.event_id = s.event_id),
shown AS (
	SELECT *, count(*) FILTER (WHERE rank IN (0, 2)) OVER analysis AS attempts, bool_or(terminal AND rank = 2) OVER analysis AS given_up FROM ranked
	WINDOW analysis AS (PARTITION BY prediction_id)
	-- the first answer stands; else the newest bypass, the newest failure that nobody cancelled, the newest
	QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY rank, CASE rank WHEN 0 THEN recorded_at END, CASE rank WHEN 0 THEN event_id END,
		recorded_at DESC, event_id DESC) = 1)
SELECT prediction_id, post_id, published_at,
	CASE rank WHEN 0 THEN 'completed' WHEN 1 THEN 'bypassed' WHEN 2 THEN CASE WHEN given_up THEN 'failed' ELSE 'retrying' END ELSE 'retrying' END AS status,
	CASE rank WHEN 1 THEN bypass_reason WHEN 2 THEN failure_class END AS reason, CASE rank WHEN 2 THEN nullif(failure_message, '') END AS message,
	nullif(analyzer, '') AS analyzer, nullif(provider, '') AS provider, nullif(model, '') AS model, nullif(prompt_version, '') AS prompt_version,
	nullif(prompt_hash, '') AS prompt_hash, nullif(rules_version, '') AS rules_version, confidence, nullif(thesis, '') AS thesis, temperature,
	tokens_in, tokens_out, cost_micros, latency_ms, attempts, CASE rank WHEN 0 THEN len(assets) ELSE 0 END AS calls, assets, dropped,
	nullif(causation_id, '') AS causation_id, CASE rank WHEN 0 THEN occurred_at END AS predicted_at,
	event_id, source, synthetic, producer, batch_id, recorded_at
FROM shown`, `CREATE VIEW calls AS
SELECT prediction_id, a.symbol, position, nullif(a.sentiment, '') AS sentiment, nullif(a.rationale, '') AS rationale, nullif(a.named, '') AS named,
	post_id, published_at, confidence, predicted_at, analyzer, provider, model, prompt_version, source, synthetic
FROM (SELECT *, unnest(assets) AS a, generate_subscripts(assets, 1) - 1 AS position FROM predictions WHERE status = 'completed')`}

// Of a bar the newest word counts. Few have more than one, so it is looked for among those alone: a
// window over all bars takes three times the work. Bars are told apart by a hash first; that two share one
// costs a look and nothing else. One that was recorded twice counts with its last recording here: looking
// for the first would cost as much again, and only the race of two writers records one twice.
var currentPrices = []string{`CREATE VIEW prices AS
WITH bars AS (SELECT *, hash(symbol, session_date, interval, source) AS bar FROM valid_prices WHERE kind = 'bar_recorded'),
again AS (SELECT bar FROM bars GROUP BY bar HAVING count(*) > 1),
newest AS (
	SELECT *, recorded_at AS first_recorded_at FROM bars ANTI JOIN again USING (bar)
	UNION ALL
	SELECT *, min(recorded_at) OVER (PARTITION BY symbol, session_date, interval, source) AS first_recorded_at FROM bars SEMI JOIN again USING (bar)
	QUALIFY row_number() OVER (PARTITION BY symbol, session_date, interval, source ORDER BY recorded_at DESC, event_id DESC) = 1)
SELECT symbol, session_date, interval, open, high, low, close, volume, adj_close, nullif(currency, '') AS currency, nullif(adjustment, '') AS adjustment,
	nullif(adjusted_through, DATE '1970-01-01') AS adjusted_through, coalesce(source_rank, 0) AS source_rank, nullif(fetch_id, '') AS fetch_id,
	nullif(fetched_at, TIMESTAMP '0001-01-01') AS fetched_at, first_recorded_at, occurred_at,
	event_id, source, synthetic, producer, batch_id, recorded_at
FROM newest`}
