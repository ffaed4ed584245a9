-- Settings that are data, and the outbox: what a committed change still has to cause.

CREATE TABLE settings (
    name  text PRIMARY KEY,
    value jsonb NOT NULL
);

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        text NOT NULL,
    payload    jsonb,
    created_at timestamptz NOT NULL,
    next_at    timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    error      text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Claims walk one topic in order; `Settled` asks for one key.
CREATE INDEX outbox_topic_id ON outbox (topic, id);
CREATE INDEX outbox_key ON outbox (key);
