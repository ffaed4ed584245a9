-- Tokens that outside services lend us for an hour or two; one row for each application.
CREATE TABLE provider_tokens (
    name       text PRIMARY KEY,
    token      text NOT NULL,
    expires_at timestamptz NOT NULL
);
