-- API keys, of which only the hash is kept, and the answers given under idempotency keys.

CREATE TABLE api_keys (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('integration', 'operator', 'analyst', 'auditor')),
    secret_hash bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash)
);

-- No foreign key to api_keys: every request of a shop would lock the one row of its key.
-- status and body are empty only inside the transaction that is still working on the answer.
CREATE TABLE idempotency_keys (
    api_key_id text NOT NULL,
    key        text NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL,
    body_hash  bytea NOT NULL,
    status     smallint,
    body       text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (api_key_id, key)
) WITH (fillfactor = 80);

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
