-- Promoters, links and the journal of the graph.

CREATE TABLE promoters (
    id text PRIMARY KEY,
    external_id text NOT NULL,
    name text NOT NULL,
    invite_code text NOT NULL,
    level jsonb,
    status text NOT NULL CHECK (status IN ('active', 'suspended')),
    inviter_at_joining text REFERENCES promoters (id),
    joined_at timestamptz NOT NULL,
    CONSTRAINT promoters_external_id_key UNIQUE (external_id),
    CONSTRAINT promoters_invite_code_key UNIQUE (invite_code)
);

CREATE TABLE links (
    code text PRIMARY KEY,
    promoter_id text NOT NULL REFERENCES promoters (id),
    target_type text NOT NULL CHECK (target_type IN ('product', 'page', 'shop')),
    target_id text,
    channel text,
    created_at timestamptz NOT NULL
);
CREATE INDEX links_promoter_id_idx ON links (promoter_id);

CREATE TABLE journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane smallint NOT NULL CHECK (lane IN (0, 1)),
    kind text NOT NULL,
    id text NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'deferred', 'applied')),
    CONSTRAINT journal_kind_id_key UNIQUE (kind, id)
);
CREATE INDEX journal_pending_idx ON journal (lane, seq) WHERE status <> 'applied';
CREATE INDEX journal_subject_idx ON journal (kind, subject, seq);

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER journal_keeps_rows BEFORE DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER journal_keeps_content BEFORE UPDATE OF seq, lane, kind, id, subject, payload, recorded_at ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
