-- Imports of a catalogue that a worker runs. The sheet is kept until the import has ended.
CREATE TABLE catalog_imports (
    id             text PRIMARY KEY,
    merchant_id    text NOT NULL REFERENCES merchants (id),
    is_dry_run     boolean NOT NULL,
    content        bytea,
    byte_count     integer NOT NULL,
    made_by        text NOT NULL,
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    attempts       smallint NOT NULL DEFAULT 0,
    products_done  integer NOT NULL DEFAULT 0,
    products_total integer,
    created        integer,
    changed        integer,
    skus           integer,
    problem        text,
    message        text,
    faults         jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    started_at     timestamptz,
    finished_at    timestamptz,
    CONSTRAINT catalog_imports_ended CHECK ((finished_at IS NOT NULL) = (state IN ('done', 'failed'))),
    CONSTRAINT catalog_imports_content CHECK ((content IS NULL) = (state IN ('done', 'failed')))
);

CREATE INDEX catalog_imports_open ON catalog_imports (id) WHERE state IN ('waiting', 'running');
CREATE INDEX catalog_imports_merchant ON catalog_imports (merchant_id, id);
