-- Keys and indexes, made after the tables are filled.

ALTER TABLE posts ADD PRIMARY KEY (post_id);
CREATE INDEX ON posts (published_at);
ALTER TABLE post_versions ADD PRIMARY KEY (event_id);
CREATE INDEX ON post_versions (post_id);
ALTER TABLE windows_read ADD PRIMARY KEY (event_id);

ALTER TABLE analysis_attempts ADD PRIMARY KEY (event_id);
CREATE INDEX ON analysis_attempts (prediction_id);
ALTER TABLE predictions ADD PRIMARY KEY (prediction_id),
    ADD CHECK (status IN ('completed', 'bypassed', 'failed', 'retrying'));
CREATE INDEX ON predictions (post_id);
CREATE INDEX ON predictions (published_at);
ALTER TABLE calls ADD PRIMARY KEY (prediction_id, symbol),
    ADD CHECK (sentiment IN ('bullish', 'bearish', 'neutral')),
    ADD CHECK (origin IN ('live', 'retrospective', 'imported'));
CREATE INDEX ON calls (symbol, published_at);
CREATE INDEX ON calls (published_at);
CREATE INDEX ON calls (post_id);

ALTER TABLE bars ADD PRIMARY KEY (symbol, session_date, "interval", source);
ALTER TABLE splits ADD PRIMARY KEY (symbol, session_date);
ALTER TABLE unknown_symbols ADD PRIMARY KEY (symbol);
ALTER TABLE sessions ADD PRIMARY KEY (session_date);

ALTER TABLE outcomes ADD PRIMARY KEY (prediction_id, symbol, basis, horizon),
    ADD CHECK (basis IN ('prior_close', 'next_open', 'legacy'));
CREATE INDEX ON outcomes (basis, horizon, target_session);
CREATE INDEX ON outcomes (first_priced_at);
CREATE INDEX ON outcomes (due_at) WHERE return_pct IS NULL;

ALTER TABLE scores ADD PRIMARY KEY (prediction_id, symbol, basis, horizon);
ALTER TABLE producers ADD PRIMARY KEY (stream, producer);
ALTER TABLE rejected ADD PRIMARY KEY (event_id);
ALTER TABLE retractions ADD PRIMARY KEY (event_id);
ALTER TABLE dead_letters ADD PRIMARY KEY (dead_letter_id);
ALTER TABLE positions ADD PRIMARY KEY (stream);
