-- The tables of the read model. They are created in the schema that search_path names, filled, and
-- only then indexed (indexes.sql) and given their views (views.sql). There is no migration: when one
-- of these files changes, the projector builds a new schema from the lake beside the live one and
-- swaps them.
--
-- All instants are UTC timestamptz. Percent values are percentage points (1.5 means 1.5 %), money is
-- US dollars. Which rows exist and what they say follows from the set of events in the lake and the
-- settings alone. There are no foreign keys: the streams arrive independently of each other, so a
-- prediction may be here before its post.

CREATE TABLE posts (
    post_id text NOT NULL,
    published_at timestamptz NOT NULL,
    text text NOT NULL,
    html text,
    url text,
    language text,
    is_repost boolean NOT NULL,
    text_missing boolean NOT NULL,
    text_repaired boolean NOT NULL,
    source_created_at timestamptz,
    edited_at timestamptz,
    replies bigint,
    reblogs bigint,
    favourites bigint,
    upvotes bigint,
    downvotes bigint,
    account_id text,
    account_username text,
    account_display_name text,
    account_followers bigint,
    account_verified boolean,
    media_urls text[] NOT NULL,
    card_title text,
    card_url text,
    mentions text[] NOT NULL,
    tags text[] NOT NULL,
    in_reply_to_id text,
    quote_id text,
    reblog_id text,
    is_deleted boolean NOT NULL,
    is_redacted boolean NOT NULL,
    deleted_at timestamptz,
    versions integer NOT NULL,
    sources integer NOT NULL,
    first_recorded_at timestamptz NOT NULL,
    event_id text NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE posts IS 'Every post in its current version: of the first source in the order scrapecreators, truthsocial, archive, legacy-s3, simulator, there the newest (domain.md 1.2).';
COMMENT ON COLUMN posts.post_id IS 'Decimal snowflake id of Truth Social.';
COMMENT ON COLUMN posts.published_at IS 'When it was published, UTC: the time that the id carries.';
COMMENT ON COLUMN posts.text IS 'Plain text; empty when the post has none or is redacted.';
COMMENT ON COLUMN posts.html IS 'The text as HTML, where the source has it.';
COMMENT ON COLUMN posts.url IS 'Address of the post.';
COMMENT ON COLUMN posts.language IS 'Language as the source names it.';
COMMENT ON COLUMN posts.is_repost IS 'Only repeats another post (domain.md 1.2); of a redacted post only a reblog is still known.';
COMMENT ON COLUMN posts.text_missing IS 'The source carries no texts at all, so an empty text says nothing.';
COMMENT ON COLUMN posts.text_repaired IS 'The text came double-encoded and was repaired.';
COMMENT ON COLUMN posts.source_created_at IS 'Time that the source gave, UTC.';
COMMENT ON COLUMN posts.edited_at IS 'Time of the last edit as the source gave it, UTC.';
COMMENT ON COLUMN posts.replies IS 'Replies at the first sight of this version.';
COMMENT ON COLUMN posts.reblogs IS 'Reblogs at the first sight of this version.';
COMMENT ON COLUMN posts.favourites IS 'Favourites at the first sight of this version.';
COMMENT ON COLUMN posts.upvotes IS 'Upvotes at the first sight of this version.';
COMMENT ON COLUMN posts.downvotes IS 'Downvotes at the first sight of this version.';
COMMENT ON COLUMN posts.account_id IS 'Account id of the author.';
COMMENT ON COLUMN posts.account_username IS 'Account name of the author.';
COMMENT ON COLUMN posts.account_display_name IS 'Display name of the author.';
COMMENT ON COLUMN posts.account_followers IS 'Followers of the author at that time.';
COMMENT ON COLUMN posts.account_verified IS 'Whether the account was verified.';
COMMENT ON COLUMN posts.media_urls IS 'Addresses of the attached media.';
COMMENT ON COLUMN posts.card_title IS 'Title of the link preview.';
COMMENT ON COLUMN posts.card_url IS 'Address of the link preview.';
COMMENT ON COLUMN posts.mentions IS 'Accounts mentioned.';
COMMENT ON COLUMN posts.tags IS 'Hashtags.';
COMMENT ON COLUMN posts.in_reply_to_id IS 'Post that this one replies to.';
COMMENT ON COLUMN posts.quote_id IS 'Post that this one quotes.';
COMMENT ON COLUMN posts.reblog_id IS 'Post that this one reposts, where the source says so.';
COMMENT ON COLUMN posts.is_deleted IS 'A source that showed the post no longer does. Predictions and outcomes stay.';
COMMENT ON COLUMN posts.is_redacted IS 'Taken down: text, html, addresses, media and tags are blanked everywhere.';
COMMENT ON COLUMN posts.deleted_at IS 'When the deletion was noticed, UTC.';
COMMENT ON COLUMN posts.versions IS 'Content versions of the chosen source; more than one means edited.';
COMMENT ON COLUMN posts.sources IS 'How many sources have shown the post.';
COMMENT ON COLUMN posts.first_recorded_at IS 'When any source''s first version of it was in the lake, UTC.';
COMMENT ON COLUMN posts.event_id IS 'The event that this row shows.';
COMMENT ON COLUMN posts.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN posts.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN posts.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN posts.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN posts.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE post_versions (
    event_id text NOT NULL,
    kind text NOT NULL,
    post_id text NOT NULL,
    published_at timestamptz,
    text text NOT NULL,
    html text,
    url text,
    language text,
    is_repost boolean NOT NULL,
    text_missing boolean NOT NULL,
    text_repaired boolean NOT NULL,
    source_created_at timestamptz,
    edited_at timestamptz,
    replies bigint,
    reblogs bigint,
    favourites bigint,
    upvotes bigint,
    downvotes bigint,
    account_id text,
    account_username text,
    account_display_name text,
    account_followers bigint,
    account_verified boolean,
    media_urls text[] NOT NULL,
    card_title text,
    card_url text,
    mentions text[] NOT NULL,
    tags text[] NOT NULL,
    in_reply_to_id text,
    quote_id text,
    reblog_id text,
    content_hash text NOT NULL,
    supersedes text,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE post_versions IS 'Every event about a post: each content version of each source, deletions and redactions. The facts that posts follows from.';
COMMENT ON COLUMN post_versions.event_id IS 'Identity of the event.';
COMMENT ON COLUMN post_versions.kind IS 'post_observed, post_deleted or post_redacted.';
COMMENT ON COLUMN post_versions.post_id IS 'The post.';
COMMENT ON COLUMN post_versions.published_at IS 'When the post was published, UTC.';
COMMENT ON COLUMN post_versions.text IS 'Plain text; empty when the post has none or is redacted.';
COMMENT ON COLUMN post_versions.html IS 'The text as HTML, where the source has it.';
COMMENT ON COLUMN post_versions.url IS 'Address of the post.';
COMMENT ON COLUMN post_versions.language IS 'Language as the source names it.';
COMMENT ON COLUMN post_versions.is_repost IS 'Only repeats another post (domain.md 1.2); of a redacted post only a reblog is still known.';
COMMENT ON COLUMN post_versions.text_missing IS 'The source carries no texts at all, so an empty text says nothing.';
COMMENT ON COLUMN post_versions.text_repaired IS 'The text came double-encoded and was repaired.';
COMMENT ON COLUMN post_versions.source_created_at IS 'Time that the source gave, UTC.';
COMMENT ON COLUMN post_versions.edited_at IS 'Time of the last edit as the source gave it, UTC.';
COMMENT ON COLUMN post_versions.replies IS 'Replies at the first sight of this version.';
COMMENT ON COLUMN post_versions.reblogs IS 'Reblogs at the first sight of this version.';
COMMENT ON COLUMN post_versions.favourites IS 'Favourites at the first sight of this version.';
COMMENT ON COLUMN post_versions.upvotes IS 'Upvotes at the first sight of this version.';
COMMENT ON COLUMN post_versions.downvotes IS 'Downvotes at the first sight of this version.';
COMMENT ON COLUMN post_versions.account_id IS 'Account id of the author.';
COMMENT ON COLUMN post_versions.account_username IS 'Account name of the author.';
COMMENT ON COLUMN post_versions.account_display_name IS 'Display name of the author.';
COMMENT ON COLUMN post_versions.account_followers IS 'Followers of the author at that time.';
COMMENT ON COLUMN post_versions.account_verified IS 'Whether the account was verified.';
COMMENT ON COLUMN post_versions.media_urls IS 'Addresses of the attached media.';
COMMENT ON COLUMN post_versions.card_title IS 'Title of the link preview.';
COMMENT ON COLUMN post_versions.card_url IS 'Address of the link preview.';
COMMENT ON COLUMN post_versions.mentions IS 'Accounts mentioned.';
COMMENT ON COLUMN post_versions.tags IS 'Hashtags.';
COMMENT ON COLUMN post_versions.in_reply_to_id IS 'Post that this one replies to.';
COMMENT ON COLUMN post_versions.quote_id IS 'Post that this one quotes.';
COMMENT ON COLUMN post_versions.reblog_id IS 'Post that this one reposts, where the source says so.';
COMMENT ON COLUMN post_versions.content_hash IS 'Hash over text and media as received.';
COMMENT ON COLUMN post_versions.supersedes IS 'The event of the same source that this one replaces.';
COMMENT ON COLUMN post_versions.occurred_at IS 'Publication, or when deletion or redaction was noticed, UTC.';
COMMENT ON COLUMN post_versions.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN post_versions.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN post_versions.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN post_versions.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN post_versions.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE windows_read (
    event_id text NOT NULL,
    window_from timestamptz NOT NULL,
    window_to timestamptz NOT NULL,
    is_complete boolean NOT NULL,
    posts bigint NOT NULL,
    missing_ids text[] NOT NULL,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE windows_read IS 'What was read of a source and when: shows that the harvester is alive although the author is silent.';
COMMENT ON COLUMN windows_read.event_id IS 'Identity of the event.';
COMMENT ON COLUMN windows_read.window_from IS 'Begin of what was read, UTC.';
COMMENT ON COLUMN windows_read.window_to IS 'End of what was read, UTC.';
COMMENT ON COLUMN windows_read.is_complete IS 'The window was read without a hole.';
COMMENT ON COLUMN windows_read.posts IS 'Posts found in it.';
COMMENT ON COLUMN windows_read.missing_ids IS 'Known posts that the window no longer shows.';
COMMENT ON COLUMN windows_read.occurred_at IS 'When the reading ended, UTC.';
COMMENT ON COLUMN windows_read.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN windows_read.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN windows_read.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN windows_read.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN windows_read.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE analysis_attempts (
    event_id text NOT NULL,
    kind text NOT NULL,
    prediction_id text NOT NULL,
    post_id text NOT NULL,
    published_at timestamptz NOT NULL,
    analyzer text,
    provider text,
    model text,
    prompt_version text,
    prompt_hash text,
    rules_version text,
    confidence double precision,
    thesis text,
    temperature double precision,
    tokens_in bigint,
    tokens_out bigint,
    cost_micros bigint,
    latency_ms bigint,
    bypass_reason text,
    failure_class text,
    failure_message text,
    attempt integer NOT NULL,
    terminal boolean NOT NULL,
    requeues text[] NOT NULL,
    assets jsonb NOT NULL,
    dropped jsonb NOT NULL,
    causation_id text,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE analysis_attempts IS 'Every event about an analysis: answers, bypasses, failures and requeues. The facts that predictions and calls follow from; all money spent is here.';
COMMENT ON COLUMN analysis_attempts.event_id IS 'Identity of the event.';
COMMENT ON COLUMN analysis_attempts.kind IS 'prediction_made, post_bypassed, analysis_failed or analysis_requeued.';
COMMENT ON COLUMN analysis_attempts.prediction_id IS 'The analysis: one post by one configuration.';
COMMENT ON COLUMN analysis_attempts.post_id IS 'The post.';
COMMENT ON COLUMN analysis_attempts.published_at IS 'When the post was published, UTC.';
COMMENT ON COLUMN analysis_attempts.analyzer IS 'llm or rules; null for a bypass, which is no model''s verdict.';
COMMENT ON COLUMN analysis_attempts.provider IS 'Provider of the model, such as openai.';
COMMENT ON COLUMN analysis_attempts.model IS 'Model that answered.';
COMMENT ON COLUMN analysis_attempts.prompt_version IS 'Version of the prompt; legacy:<row id> for imported rows.';
COMMENT ON COLUMN analysis_attempts.prompt_hash IS 'Hash of the prompt.';
COMMENT ON COLUMN analysis_attempts.rules_version IS 'Version of the bypass and symbol rules.';
COMMENT ON COLUMN analysis_attempts.confidence IS 'Confidence of the whole answer, 0 to 1.';
COMMENT ON COLUMN analysis_attempts.thesis IS 'Short reasoning of the answer.';
COMMENT ON COLUMN analysis_attempts.temperature IS 'Sampling temperature.';
COMMENT ON COLUMN analysis_attempts.tokens_in IS 'Tokens sent.';
COMMENT ON COLUMN analysis_attempts.tokens_out IS 'Tokens received.';
COMMENT ON COLUMN analysis_attempts.cost_micros IS 'Cost in millionths of a US dollar.';
COMMENT ON COLUMN analysis_attempts.latency_ms IS 'Time until the answer, in milliseconds.';
COMMENT ON COLUMN analysis_attempts.bypass_reason IS 'Rule that hit, of a bypass.';
COMMENT ON COLUMN analysis_attempts.failure_class IS 'rate_limited, timeout, server, auth, refused, bad_output or budget.';
COMMENT ON COLUMN analysis_attempts.failure_message IS 'What went wrong.';
COMMENT ON COLUMN analysis_attempts.attempt IS 'Number of the attempt, from 1; 0 where it has none.';
COMMENT ON COLUMN analysis_attempts.terminal IS 'Given up with this failure.';
COMMENT ON COLUMN analysis_attempts.requeues IS 'Failures (event ids) that a requeue cancels.';
COMMENT ON COLUMN analysis_attempts.assets IS 'Calls of the answer: symbol, sentiment, rationale, named.';
COMMENT ON COLUMN analysis_attempts.dropped IS 'Assets that the symbol rules took out, with reasons.';
COMMENT ON COLUMN analysis_attempts.causation_id IS 'The post''s event that was analysed.';
COMMENT ON COLUMN analysis_attempts.occurred_at IS 'When the answer arrived or the failure happened, UTC.';
COMMENT ON COLUMN analysis_attempts.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN analysis_attempts.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN analysis_attempts.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN analysis_attempts.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN analysis_attempts.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE predictions (
    prediction_id text NOT NULL,
    post_id text NOT NULL,
    published_at timestamptz NOT NULL,
    status text NOT NULL,
    reason text,
    message text,
    analyzer text,
    provider text,
    model text,
    prompt_version text,
    prompt_hash text,
    rules_version text,
    confidence double precision,
    thesis text,
    temperature double precision,
    tokens_in bigint,
    tokens_out bigint,
    cost_micros bigint,
    latency_ms bigint,
    is_primary boolean NOT NULL,
    attempts integer NOT NULL,
    calls integer NOT NULL,
    dropped jsonb NOT NULL,
    causation_id text,
    predicted_at timestamptz,
    event_id text NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE predictions IS 'One row per analysis of a post by a configuration, and one per bypassed post. The first answer stands (domain.md 2.1).';
COMMENT ON COLUMN predictions.prediction_id IS 'The analysis: a hash of post, analyzer, provider, model and prompt version.';
COMMENT ON COLUMN predictions.post_id IS 'The post.';
COMMENT ON COLUMN predictions.published_at IS 'When the post was published, UTC: the anchor of every outcome.';
COMMENT ON COLUMN predictions.status IS 'completed, bypassed, failed (given up: a dead letter) or retrying.';
COMMENT ON COLUMN predictions.reason IS 'Bypass reason, or the failure class of the newest failure that is not cancelled.';
COMMENT ON COLUMN predictions.message IS 'What went wrong, of the same failure.';
COMMENT ON COLUMN predictions.analyzer IS 'llm or rules; null for a bypass, which is no model''s verdict.';
COMMENT ON COLUMN predictions.provider IS 'Provider of the model, such as openai.';
COMMENT ON COLUMN predictions.model IS 'Model that answered.';
COMMENT ON COLUMN predictions.prompt_version IS 'Version of the prompt; legacy:<row id> for imported rows.';
COMMENT ON COLUMN predictions.prompt_hash IS 'Hash of the prompt.';
COMMENT ON COLUMN predictions.rules_version IS 'Version of the bypass and symbol rules.';
COMMENT ON COLUMN predictions.confidence IS 'Confidence of the whole answer, 0 to 1.';
COMMENT ON COLUMN predictions.thesis IS 'Short reasoning of the answer.';
COMMENT ON COLUMN predictions.temperature IS 'Sampling temperature.';
COMMENT ON COLUMN predictions.tokens_in IS 'Tokens sent.';
COMMENT ON COLUMN predictions.tokens_out IS 'Tokens received.';
COMMENT ON COLUMN predictions.cost_micros IS 'Cost in millionths of a US dollar.';
COMMENT ON COLUMN predictions.latency_ms IS 'Time until the answer, in milliseconds.';
COMMENT ON COLUMN predictions.is_primary IS 'Made by the configuration that the setting primary analyzer names; always true when it names none.';
COMMENT ON COLUMN predictions.attempts IS 'Answers, and failures that are not cancelled.';
COMMENT ON COLUMN predictions.calls IS 'Assets named by the answer.';
COMMENT ON COLUMN predictions.dropped IS 'Assets that the symbol rules took out, with reasons.';
COMMENT ON COLUMN predictions.causation_id IS 'The post''s event that was analysed.';
COMMENT ON COLUMN predictions.predicted_at IS 'When the answer arrived, UTC; null unless completed.';
COMMENT ON COLUMN predictions.event_id IS 'The event that this row shows.';
COMMENT ON COLUMN predictions.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN predictions.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN predictions.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN predictions.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN predictions.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE calls (
    prediction_id text NOT NULL,
    symbol text NOT NULL,
    position integer NOT NULL,
    sentiment text,
    rationale text,
    named text,
    post_id text NOT NULL,
    published_at timestamptz NOT NULL,
    confidence double precision,
    origin text NOT NULL,
    predicted_at timestamptz NOT NULL
);
COMMENT ON TABLE calls IS 'One row per asset that a completed prediction names (prediction x asset).';
COMMENT ON COLUMN calls.prediction_id IS 'The prediction.';
COMMENT ON COLUMN calls.symbol IS 'Asset, after the alias rules.';
COMMENT ON COLUMN calls.position IS 'Place of the asset in the answer, from 0.';
COMMENT ON COLUMN calls.sentiment IS 'bullish, bearish or neutral; null where the answer gave none: such a call is never scored.';
COMMENT ON COLUMN calls.rationale IS 'Why, in the answer''s words.';
COMMENT ON COLUMN calls.named IS 'The symbol as the analyzer wrote it.';
COMMENT ON COLUMN calls.post_id IS 'The post.';
COMMENT ON COLUMN calls.published_at IS 'When the post was published, UTC.';
COMMENT ON COLUMN calls.confidence IS 'Confidence of the answer, 0 to 1.';
COMMENT ON COLUMN calls.origin IS 'live, retrospective (answered after the open of the first session that could act on it) or imported.';
COMMENT ON COLUMN calls.predicted_at IS 'When the answer arrived, UTC.';

CREATE TABLE bars (
    symbol text NOT NULL,
    session_date date NOT NULL,
    "interval" text NOT NULL,
    source text NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision,
    adj_close double precision,
    currency text,
    adjustment text NOT NULL,
    adjusted_through date NOT NULL,
    source_rank integer NOT NULL,
    fetch_id text NOT NULL,
    fetched_at timestamptz,
    first_recorded_at timestamptz NOT NULL,
    event_id text NOT NULL,
    superseded text[] NOT NULL,
    occurred_at timestamptz NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE bars IS 'The current daily bar of every symbol, session and source; the newest fetch wins.';
COMMENT ON COLUMN bars.symbol IS 'Asset.';
COMMENT ON COLUMN bars.session_date IS 'Session in New York; for round-the-clock assets also days that are none.';
COMMENT ON COLUMN bars."interval" IS '1d.';
COMMENT ON COLUMN bars.source IS 'Where the bar was found: yahoo, stooq, file:<name>, legacy, simulator.';
COMMENT ON COLUMN bars.open IS 'First price.';
COMMENT ON COLUMN bars.high IS 'Highest price.';
COMMENT ON COLUMN bars.low IS 'Lowest price.';
COMMENT ON COLUMN bars.close IS 'Last price.';
COMMENT ON COLUMN bars.volume IS 'Volume, where the source has it.';
COMMENT ON COLUMN bars.adj_close IS 'Close adjusted for dividends, where the source has it.';
COMMENT ON COLUMN bars.currency IS 'Currency of the prices.';
COMMENT ON COLUMN bars.adjustment IS 'What the prices include: none, split, or dividend (splits and dividends).';
COMMENT ON COLUMN bars.adjusted_through IS 'The prices include all splits effective on or before this date.';
COMMENT ON COLUMN bars.source_rank IS 'Order of sources of one family, from 0.';
COMMENT ON COLUMN bars.fetch_id IS 'The one fetch that the bar came with.';
COMMENT ON COLUMN bars.fetched_at IS 'When it was fetched, UTC.';
COMMENT ON COLUMN bars.first_recorded_at IS 'When the first bar of this symbol, session and source was in the lake, UTC; corrections do not move it.';
COMMENT ON COLUMN bars.event_id IS 'The event that this row shows.';
COMMENT ON COLUMN bars.superseded IS 'Earlier events of the same bar.';
COMMENT ON COLUMN bars.occurred_at IS 'Close of the bar, UTC.';
COMMENT ON COLUMN bars.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN bars.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN bars.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN bars.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE splits (
    symbol text NOT NULL,
    session_date date NOT NULL,
    ratio double precision NOT NULL,
    event_id text NOT NULL,
    superseded text[] NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE splits IS 'Splits of every symbol, whatever source told of them; the newest word on a date wins.';
COMMENT ON COLUMN splits.symbol IS 'Asset.';
COMMENT ON COLUMN splits.session_date IS 'First session at the new price.';
COMMENT ON COLUMN splits.ratio IS 'New shares per old one: a 10-for-1 split has ratio 10.';
COMMENT ON COLUMN splits.event_id IS 'The event that this row shows.';
COMMENT ON COLUMN splits.superseded IS 'Earlier events of the same split.';
COMMENT ON COLUMN splits.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN splits.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN splits.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN splits.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN splits.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE unknown_symbols (
    symbol text NOT NULL,
    is_unknown boolean NOT NULL,
    asked_sources text[] NOT NULL,
    noticed_at timestamptz NOT NULL,
    event_id text NOT NULL,
    superseded text[] NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE unknown_symbols IS 'Symbols that every price source said not to exist.';
COMMENT ON COLUMN unknown_symbols.symbol IS 'Asset.';
COMMENT ON COLUMN unknown_symbols.is_unknown IS 'That is still the newest word: no bar or split was recorded since.';
COMMENT ON COLUMN unknown_symbols.asked_sources IS 'The sources that were asked.';
COMMENT ON COLUMN unknown_symbols.noticed_at IS 'When they were asked last, UTC.';
COMMENT ON COLUMN unknown_symbols.event_id IS 'The event that this row shows.';
COMMENT ON COLUMN unknown_symbols.superseded IS 'Earlier events of the same symbol.';
COMMENT ON COLUMN unknown_symbols.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN unknown_symbols.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN unknown_symbols.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN unknown_symbols.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN unknown_symbols.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE sessions (
    session_date date NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    is_early boolean NOT NULL
);
COMMENT ON TABLE sessions IS 'Sessions of the New York Stock Exchange, 2022 to 2027.';
COMMENT ON COLUMN sessions.session_date IS 'Day in New York.';
COMMENT ON COLUMN sessions.opens_at IS 'Open, UTC.';
COMMENT ON COLUMN sessions.closes_at IS 'Close, UTC.';
COMMENT ON COLUMN sessions.is_early IS 'Closes at 13:00 New York.';

CREATE TABLE outcomes (
    prediction_id text NOT NULL,
    symbol text NOT NULL,
    basis text NOT NULL,
    horizon integer NOT NULL,
    base_session date,
    base_price double precision,
    target_session date,
    target_price double precision,
    return_pct numeric,
    benchmark_pct numeric,
    abnormal_pct numeric,
    correct boolean,
    correct_abnormal boolean,
    pnl_long numeric,
    pnl numeric,
    source text,
    benchmark_source text,
    suspect boolean NOT NULL,
    due_at timestamptz,
    first_priced_at timestamptz
);
COMMENT ON TABLE outcomes IS 'Twelve rows per call: three bases, four horizons (domain.md 4). What depends on now is in outcomes_status.';
COMMENT ON COLUMN outcomes.prediction_id IS 'The prediction.';
COMMENT ON COLUMN outcomes.symbol IS 'Asset of the call.';
COMMENT ON COLUMN outcomes.basis IS 'prior_close, next_open (default for every headline) or legacy.';
COMMENT ON COLUMN outcomes.horizon IS 'Sessions from base to target: 1, 3, 7 or 30.';
COMMENT ON COLUMN outcomes.base_session IS 'Session of the base price; null outside the calendar.';
COMMENT ON COLUMN outcomes.base_price IS 'Base price, on the later basis of adjustment of the two bars.';
COMMENT ON COLUMN outcomes.target_session IS 'Session of the target price; null outside the calendar.';
COMMENT ON COLUMN outcomes.target_price IS 'Close of the target session.';
COMMENT ON COLUMN outcomes.return_pct IS '(target - base) / base in percentage points, 6 decimals.';
COMMENT ON COLUMN outcomes.benchmark_pct IS 'The benchmark''s return between the same sessions, in percentage points.';
COMMENT ON COLUMN outcomes.abnormal_pct IS 'return_pct - benchmark_pct; null for the benchmark itself.';
COMMENT ON COLUMN outcomes.correct IS 'The call was right by return_pct and the correctness band; null where not evaluated or without sentiment.';
COMMENT ON COLUMN outcomes.correct_abnormal IS 'The same by abnormal_pct.';
COMMENT ON COLUMN outcomes.pnl_long IS 'Dollars that 1,000 held long would have made (the legacy P&L).';
COMMENT ON COLUMN outcomes.pnl IS 'Dollars that 1,000 in the direction of the call would have made; neutral is no trade.';
COMMENT ON COLUMN outcomes.source IS 'Price source of base and target.';
COMMENT ON COLUMN outcomes.benchmark_source IS 'Price source of the benchmark.';
COMMENT ON COLUMN outcomes.suspect IS 'The source''s prices jump like a split that nobody told of: no return is given.';
COMMENT ON COLUMN outcomes.due_at IS 'When the target bar is final, UTC.';
COMMENT ON COLUMN outcomes.first_priced_at IS 'When both bars were first in the lake, UTC; corrections do not move it.';

-- One row per outcome that metrics count, with everything that they filter and group by, so that a metric
-- reads one partition and joins nothing. Partitioned by basis and horizon: a metric is always of one of each.
CREATE TABLE scores (
    prediction_id text NOT NULL,
    symbol text NOT NULL,
    basis text NOT NULL,
    horizon integer NOT NULL,
    target_session date NOT NULL,
    published_at timestamptz NOT NULL,
    return_micros bigint NOT NULL,
    abnormal_micros bigint,
    pnl_micros bigint NOT NULL,
    confidence double precision,
    correct boolean NOT NULL,
    correct_abnormal boolean,
    move integer NOT NULL,
    sentiment text NOT NULL,
    origin text NOT NULL,
    is_primary boolean NOT NULL,
    synthetic boolean NOT NULL,
    post_id text NOT NULL,
    weekday integer NOT NULL,
    phase text NOT NULL,
    analyzer text,
    provider text,
    model text,
    prompt_version text,
    predicted_at timestamptz NOT NULL
) PARTITION BY LIST (basis);
DO $$
DECLARE
    b text;
    h integer;
BEGIN
    FOREACH b IN ARRAY ARRAY['prior_close', 'next_open', 'legacy'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF scores FOR VALUES IN (%L) PARTITION BY LIST (horizon)', 'scores_' || b, b);
        FOREACH h IN ARRAY ARRAY[1, 3, 7, 30] LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES IN (%s)', 'scores_' || b || '_' || h, 'scores_' || b, h);
        END LOOP;
    END LOOP;
END $$;
COMMENT ON TABLE scores IS 'The rows that every metric counts: evaluated outcomes of calls that have a sentiment (domain.md 5), with all that metrics filter and group by. Sums of whole millionths are exact in any order.';
COMMENT ON COLUMN scores.prediction_id IS 'The prediction.';
COMMENT ON COLUMN scores.symbol IS 'Asset of the call.';
COMMENT ON COLUMN scores.basis IS 'prior_close, next_open (default for every headline) or legacy.';
COMMENT ON COLUMN scores.horizon IS 'Sessions from base to target: 1, 3, 7 or 30.';
COMMENT ON COLUMN scores.target_session IS 'Session of the target price.';
COMMENT ON COLUMN scores.published_at IS 'When the post was published, UTC.';
COMMENT ON COLUMN scores.return_micros IS 'Return in millionths of a percentage point.';
COMMENT ON COLUMN scores.abnormal_micros IS 'Return above the benchmark in millionths of a percentage point; null where there is none.';
COMMENT ON COLUMN scores.pnl_micros IS 'Millionths of a dollar that 1,000 dollars in the direction of the call made; neutral is no trade.';
COMMENT ON COLUMN scores.confidence IS 'Confidence of the answer, 0 to 1.';
COMMENT ON COLUMN scores.correct IS 'The call was right by the return and the correctness band.';
COMMENT ON COLUMN scores.correct_abnormal IS 'The same by the abnormal return; null where there is none.';
COMMENT ON COLUMN scores.move IS '1 when the return is above the correctness band, -1 below minus the band, 0 within it.';
COMMENT ON COLUMN scores.sentiment IS 'bullish, bearish or neutral.';
COMMENT ON COLUMN scores.origin IS 'live, retrospective (answered after the open of the first session that could act on it) or imported.';
COMMENT ON COLUMN scores.is_primary IS 'Made by the configuration that the setting primary analyzer names; always true when it names none.';
COMMENT ON COLUMN scores.synthetic IS 'The prediction was made up by a simulator.';
COMMENT ON COLUMN scores.post_id IS 'The post.';
COMMENT ON COLUMN scores.weekday IS 'Weekday of the post in New York, 1 (Monday) to 7.';
COMMENT ON COLUMN scores.phase IS 'Market phase at the post, New York: pre (from 04:00), regular, post (until 20:00) or closed.';
COMMENT ON COLUMN scores.analyzer IS 'llm or rules.';
COMMENT ON COLUMN scores.provider IS 'Provider of the model, such as openai.';
COMMENT ON COLUMN scores.model IS 'Model that answered.';
COMMENT ON COLUMN scores.prompt_version IS 'Version of the prompt; legacy:<row id> for imported rows.';
COMMENT ON COLUMN scores.predicted_at IS 'When the answer arrived, UTC.';

CREATE TABLE producers (
    stream text NOT NULL,
    producer text NOT NULL,
    last_recorded_at timestamptz NOT NULL,
    last_event_id text NOT NULL
);
COMMENT ON TABLE producers IS 'Who has appended to each stream, and when last.';
COMMENT ON COLUMN producers.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN producers.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN producers.last_recorded_at IS 'When the lake committed the newest event of it, UTC.';
COMMENT ON COLUMN producers.last_event_id IS 'That event.';

CREATE TABLE rejected (
    event_id text NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    reason text NOT NULL,
    detail text,
    payload text,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE rejected IS 'Input that a producer could not take, of all streams, kept with its reason.';
COMMENT ON COLUMN rejected.event_id IS 'Identity of the event.';
COMMENT ON COLUMN rejected.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN rejected.key IS 'What it was about.';
COMMENT ON COLUMN rejected.reason IS 'Short class, such as other account or bad number.';
COMMENT ON COLUMN rejected.detail IS 'The whole sentence.';
COMMENT ON COLUMN rejected.payload IS 'First 4,000 characters of the input; the lake keeps more.';
COMMENT ON COLUMN rejected.occurred_at IS 'When it was noticed, UTC.';
COMMENT ON COLUMN rejected.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN rejected.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN rejected.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN rejected.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN rejected.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE retractions (
    event_id text NOT NULL,
    stream text NOT NULL,
    retracted_events text[] NOT NULL,
    retracted_batch text,
    occurred_at timestamptz NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    producer text,
    batch_id text,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE retractions IS 'What counts as never written: single events or whole batches of a stream.';
COMMENT ON COLUMN retractions.event_id IS 'Identity of the retraction.';
COMMENT ON COLUMN retractions.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN retractions.retracted_events IS 'Events that are taken back.';
COMMENT ON COLUMN retractions.retracted_batch IS 'Batch that is taken back.';
COMMENT ON COLUMN retractions.occurred_at IS 'When it was noticed, UTC.';
COMMENT ON COLUMN retractions.source IS 'Where the fact was found, such as archive:<file>, truthsocial or simulator.';
COMMENT ON COLUMN retractions.synthetic IS 'Made up by a simulator.';
COMMENT ON COLUMN retractions.producer IS 'Who recorded it, as name@version.';
COMMENT ON COLUMN retractions.batch_id IS 'The commit in the lake that holds it.';
COMMENT ON COLUMN retractions.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE dead_letters (
    dead_letter_id text NOT NULL,
    stream text NOT NULL,
    version bigint,
    "row" integer,
    event_id text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    reason text NOT NULL,
    payload text,
    recorded_at timestamptz
);
COMMENT ON TABLE dead_letters IS 'Events of the lake that the projector could not apply. Everything else goes on.';
COMMENT ON COLUMN dead_letters.dead_letter_id IS 'Hash of stream, event and reason.';
COMMENT ON COLUMN dead_letters.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN dead_letters.version IS 'Version of the stream in which it was met; null when it was read from a snapshot.';
COMMENT ON COLUMN dead_letters."row" IS 'Place in that version, from 0; null when it was read from a snapshot.';
COMMENT ON COLUMN dead_letters.event_id IS 'Identity of the event as it stands in the lake.';
COMMENT ON COLUMN dead_letters.kind IS 'Kind of the event.';
COMMENT ON COLUMN dead_letters.key IS 'What it is about.';
COMMENT ON COLUMN dead_letters.reason IS 'Why it could not be applied.';
COMMENT ON COLUMN dead_letters.payload IS 'First 4,000 characters of the event''s payload.';
COMMENT ON COLUMN dead_letters.recorded_at IS 'When the lake committed it, UTC.';

CREATE TABLE positions (
    stream text NOT NULL,
    table_id text NOT NULL,
    next_version bigint NOT NULL
);
COMMENT ON TABLE positions IS 'How far each stream has been applied: the rows of this schema are exactly the events before next_version.';
COMMENT ON COLUMN positions.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN positions.table_id IS 'Identity of the stream''s table; empty while the stream does not exist. Another one means another lake.';
COMMENT ON COLUMN positions.next_version IS 'The version to read next.';
