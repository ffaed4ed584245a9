-- Every question of an analyst with what became of it, the queries they keep, and rules that ask by the clock.

CREATE TABLE workbench_settings (
    id       integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    mask_key text NOT NULL
);
INSERT INTO workbench_settings (mask_key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);

CREATE TABLE workbench_runs (
    id          text PRIMARY KEY,
    author_id   text NOT NULL,
    author_name text NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('typed', 'library', 'saved', 'rule')),
    query_name  text,
    text        text NOT NULL,
    params      jsonb NOT NULL,
    started_at  timestamptz NOT NULL,
    duration_ms integer,
    row_count   integer,
    outcome     text NOT NULL,
    message     text
);
CREATE INDEX workbench_runs_author_idx ON workbench_runs (author_id, id);

CREATE TABLE workbench_queries (
    id         text PRIMARY KEY,
    owner_id   text NOT NULL,
    name       text NOT NULL,
    about      text NOT NULL,
    text       text NOT NULL,
    params     jsonb NOT NULL,
    shared     boolean NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX workbench_queries_name_key ON workbench_queries (owner_id, name) WHERE deleted_at IS NULL;
CREATE INDEX workbench_queries_shared_idx ON workbench_queries (id) WHERE shared AND deleted_at IS NULL;

CREATE TABLE workbench_query_versions (
    query_id  text NOT NULL REFERENCES workbench_queries (id),
    version   integer NOT NULL,
    author_id text NOT NULL,
    name      text NOT NULL,
    about     text NOT NULL,
    text      text NOT NULL,
    params    jsonb NOT NULL,
    shared    boolean NOT NULL,
    saved_at  timestamptz NOT NULL,
    PRIMARY KEY (query_id, version)
);

CREATE TABLE workbench_rules (
    id            text PRIMARY KEY,
    name          text NOT NULL,
    owner_id      text NOT NULL,
    query_id      text REFERENCES workbench_queries (id),
    library_name  text,
    params        jsonb NOT NULL,
    "column"      text NOT NULL,
    threshold     double precision NOT NULL,
    every_minutes integer NOT NULL CHECK (every_minutes > 0),
    dry_run       boolean NOT NULL,
    enabled       boolean NOT NULL,
    version       integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    next_at       timestamptz NOT NULL,
    last_run_id   text,
    deleted_at    timestamptz,
    CHECK ((query_id IS NULL) <> (library_name IS NULL))
);
CREATE UNIQUE INDEX workbench_rules_name_key ON workbench_rules (name) WHERE deleted_at IS NULL;
CREATE INDEX workbench_rules_due_idx ON workbench_rules (next_at) WHERE enabled AND deleted_at IS NULL;

CREATE TABLE workbench_hits (
    id             text PRIMARY KEY,
    rule_id        text NOT NULL REFERENCES workbench_rules (id),
    row_hash       bytea NOT NULL,
    run_id         text NOT NULL,
    value          double precision NOT NULL,
    "row"          jsonb NOT NULL,
    explanation    text NOT NULL,
    explanation_zh text NOT NULL,
    dry_run        boolean NOT NULL,
    found_at       timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    UNIQUE (rule_id, row_hash)
);
CREATE INDEX workbench_hits_rule_idx ON workbench_hits (rule_id, id);
