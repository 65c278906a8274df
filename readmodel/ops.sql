-- Schema ops: what is not a function of the events. It is never swapped and never rebuilt, so every
-- statement here may be run again on an existing one; columns are only added.
CREATE SCHEMA IF NOT EXISTS ops;
COMMENT ON SCHEMA ops IS 'State of the projector itself: fence, settings, builds, health. Never swapped.';

CREATE TABLE IF NOT EXISTS ops.fence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation bigint NOT NULL
);
COMMENT ON TABLE ops.fence IS 'The one row that every transaction of a projector locks first.';
COMMENT ON COLUMN ops.fence.only_row IS 'There is one row.';
COMMENT ON COLUMN ops.fence.generation IS 'Counts the swaps; a projector that sees another one than before reloads what it knows.';

CREATE TABLE IF NOT EXISTS ops.settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    band_pct double precision NOT NULL,
    benchmark text NOT NULL,
    source_order text[] NOT NULL,
    primary_analyzer text NOT NULL,
    projection_version integer NOT NULL,
    schema_hash text NOT NULL,
    build_id bigint NOT NULL
);
COMMENT ON TABLE ops.settings IS 'The settings and the code that the live build follows from. A change is a rebuild.';
COMMENT ON COLUMN ops.settings.only_row IS 'There is one row.';
COMMENT ON COLUMN ops.settings.band_pct IS 'Correctness band in percentage points.';
COMMENT ON COLUMN ops.settings.benchmark IS 'Symbol of the benchmark.';
COMMENT ON COLUMN ops.settings.source_order IS 'Price sources or families preferred before the default order.';
COMMENT ON COLUMN ops.settings.primary_analyzer IS 'analyzer, analyzer/provider or analyzer/provider/model shown in the headlines; empty means all.';
COMMENT ON COLUMN ops.settings.projection_version IS 'Version of the projection''s meaning; a projector of a lower one refuses.';
COMMENT ON COLUMN ops.settings.schema_hash IS 'Hash of the SQL that made the schema.';
COMMENT ON COLUMN ops.settings.build_id IS 'The build that is live.';

CREATE TABLE IF NOT EXISTS ops.builds (
    build_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL,
    reason text NOT NULL,
    producer text NOT NULL,
    projection_version integer NOT NULL,
    schema_hash text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    row_count bigint,
    seconds double precision,
    error text
);
COMMENT ON TABLE ops.builds IS 'Every build of the read model.';
COMMENT ON COLUMN ops.builds.build_id IS 'Number of the build.';
COMMENT ON COLUMN ops.builds.state IS 'running, done, failed or crashed.';
COMMENT ON COLUMN ops.builds.reason IS 'Why it was made.';
COMMENT ON COLUMN ops.builds.producer IS 'Program and version that made it.';
COMMENT ON COLUMN ops.builds.projection_version IS 'Version of the projection''s meaning.';
COMMENT ON COLUMN ops.builds.schema_hash IS 'Hash of the SQL that made the schema.';
COMMENT ON COLUMN ops.builds.started_at IS 'Begin, UTC.';
COMMENT ON COLUMN ops.builds.finished_at IS 'End, UTC.';
COMMENT ON COLUMN ops.builds.row_count IS 'Rows written.';
COMMENT ON COLUMN ops.builds.seconds IS 'Time taken.';
COMMENT ON COLUMN ops.builds.error IS 'What went wrong.';
ALTER TABLE ops.builds ADD COLUMN IF NOT EXISTS dropped text[];
COMMENT ON COLUMN ops.builds.dropped IS 'What depended on the old tables, could not be moved to the new ones and was dropped with them.';

CREATE TABLE IF NOT EXISTS ops.health (
    stream text PRIMARY KEY,
    next_version bigint NOT NULL,
    last_event_id text,
    last_recorded_at timestamptz,
    applied_at timestamptz,
    checked_at timestamptz NOT NULL
);
COMMENT ON TABLE ops.health IS 'How each stream stands, as its projector last saw it.';
COMMENT ON COLUMN ops.health.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN ops.health.next_version IS 'The version that will be read next.';
COMMENT ON COLUMN ops.health.last_event_id IS 'Newest event applied.';
COMMENT ON COLUMN ops.health.last_recorded_at IS 'When that event was recorded in the lake, UTC.';
COMMENT ON COLUMN ops.health.applied_at IS 'When it was applied, UTC.';
COMMENT ON COLUMN ops.health.checked_at IS 'When the projector last looked for news, UTC.';

CREATE TABLE IF NOT EXISTS ops.transactions (
    stream text NOT NULL,
    next_version bigint NOT NULL,
    events bigint NOT NULL,
    oldest_recorded_at timestamptz,
    newest_recorded_at timestamptz,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ops.transactions IS 'Every transaction that applied events of a tailed stream, for 30 days: shows how long the way from lake to read model takes.';
COMMENT ON COLUMN ops.transactions.stream IS 'posts, predictions or prices.';
COMMENT ON COLUMN ops.transactions.next_version IS 'The version that was to be read next afterwards.';
COMMENT ON COLUMN ops.transactions.events IS 'Events applied.';
COMMENT ON COLUMN ops.transactions.oldest_recorded_at IS 'When the oldest of them was recorded in the lake, UTC.';
COMMENT ON COLUMN ops.transactions.newest_recorded_at IS 'When the newest of them was recorded in the lake, UTC.';
COMMENT ON COLUMN ops.transactions.applied_at IS 'When they were applied, UTC.';
CREATE INDEX IF NOT EXISTS transactions_applied_at ON ops.transactions (applied_at);
INSERT INTO ops.fence (generation) VALUES (0) ON CONFLICT DO NOTHING;
