-- People: shoppers and staff, their sessions, agreements and consents, and the record of what staff did.

CREATE TABLE shoppers (
    id            text PRIMARY KEY,
    nickname      text NOT NULL DEFAULT '',
    avatar_url    text,
    locale        text NOT NULL DEFAULT 'zh-CN',
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'banned', 'erased')),
    status_reason text,
    status_at     timestamptz,
    -- Counts "log out everywhere": tokens of an earlier generation are void.
    generation    integer NOT NULL DEFAULT 0,
    phone         bytea,
    phone_digest  bytea,
    created_at    timestamptz NOT NULL,
    CONSTRAINT shoppers_phone_digest_key UNIQUE (phone_digest),
    CONSTRAINT shoppers_phone_whole CHECK ((phone IS NULL) = (phone_digest IS NULL)),
    CONSTRAINT shoppers_erased_bare
        CHECK (status <> 'erased' OR (nickname = '' AND avatar_url IS NULL AND phone IS NULL))
) WITH (fillfactor = 85);

CREATE TABLE shopper_logins (
    kind       text NOT NULL CHECK (kind IN ('wechat', 'wechat_union', 'alipay')),
    app_id     text NOT NULL,
    subject    text NOT NULL,
    shopper_id text NOT NULL REFERENCES shoppers (id),
    linked_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, app_id, subject),
    CONSTRAINT shopper_logins_one_of_a_kind UNIQUE (shopper_id, kind, app_id)
);

CREATE TABLE sessions (
    id         text PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('shopper', 'staff')),
    owner_id   text NOT NULL,
    generation integer NOT NULL,
    -- Which refresh token is the good one; the tokens themselves are derived and stored nowhere.
    turn       integer NOT NULL DEFAULT 0,
    turned_at  timestamptz NOT NULL,
    device     text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text
) WITH (fillfactor = 85);

CREATE INDEX sessions_owner ON sessions (owner_id, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE staff (
    id                   text PRIMARY KEY,
    username             text NOT NULL,
    name                 text NOT NULL,
    password_hash        text NOT NULL,
    must_change_password boolean NOT NULL,
    permissions          text[] NOT NULL
        CHECK (permissions <@ ARRAY['finance', 'support', 'risk', 'content', 'admin']),
    status               text NOT NULL CHECK (status IN ('active', 'disabled')),
    generation           integer NOT NULL DEFAULT 0,
    totp                 bytea,
    totp_since           timestamptz,
    -- The last time step whose code was used: no code works twice.
    totp_step            bigint NOT NULL DEFAULT 0,
    created_at           timestamptz NOT NULL,
    last_login_at        timestamptz,
    CONSTRAINT staff_username_key UNIQUE (username)
);

CREATE TABLE staff_recovery_codes (
    staff_id text NOT NULL REFERENCES staff (id),
    digest   bytea NOT NULL,
    PRIMARY KEY (staff_id, digest)
);

-- Failed attempts by a digest of the name, whether or not it exists.
CREATE TABLE login_attempts (
    key          bytea PRIMARY KEY,
    failed_count integer NOT NULL,
    locked_until timestamptz,
    updated_at   timestamptz NOT NULL
);

-- When the next request of a caller is due (GCRA). Losing these in a crash costs nothing.
CREATE UNLOGGED TABLE rate_limits (
    key    bytea PRIMARY KEY,
    due_at timestamptz NOT NULL
);

CREATE INDEX rate_limits_due_at ON rate_limits (due_at);

CREATE TABLE agreements (
    kind         text NOT NULL CHECK (kind IN ('user', 'promoter', 'privacy')),
    version      integer NOT NULL CHECK (version > 0),
    title        text NOT NULL,
    body         text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (kind, version)
);

CREATE TABLE agreement_acceptances (
    shopper_id  text NOT NULL REFERENCES shoppers (id),
    kind        text NOT NULL,
    version     integer NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (shopper_id, kind, version),
    FOREIGN KEY (kind, version) REFERENCES agreements (kind, version)
);

CREATE TABLE consents (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shopper_id text NOT NULL REFERENCES shoppers (id),
    purpose    text NOT NULL,
    is_granted boolean NOT NULL,
    decided_at timestamptz NOT NULL
);

CREATE INDEX consents_shopper ON consents (shopper_id, purpose, id);

CREATE TABLE audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id   text NOT NULL,
    action     text NOT NULL,
    subject    text NOT NULL,
    detail     jsonb NOT NULL
);

CREATE INDEX audit_log_actor ON audit_log (actor_id, id);
CREATE INDEX audit_log_subject ON audit_log (subject, id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
