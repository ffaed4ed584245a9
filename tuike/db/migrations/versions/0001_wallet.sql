-- The ledger: double entry, append-only, balances kept beside and proven against their postings.

CREATE TABLE ledger_accounts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address       text NOT NULL,
    currency      text NOT NULL,
    kind          text NOT NULL CHECK (kind IN
                    ('pending', 'frozen', 'available', 'withdrawing', 'debt', 'payable', 'fees', 'world')),
    owner         text NOT NULL,
    balance_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT ledger_accounts_address_key UNIQUE (address, currency),
    -- What a promoter holds is never negative; a debt is a promoter's negative account and never positive.
    CONSTRAINT ledger_accounts_sign CHECK (
        CASE WHEN kind IN ('pending', 'frozen', 'available', 'withdrawing', 'fees') THEN balance_minor >= 0
             WHEN kind = 'debt' THEN balance_minor <= 0
             ELSE true END)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX ledger_accounts_owner ON ledger_accounts (owner, currency);

CREATE TABLE ledger_transactions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL,
    reason       text NOT NULL,
    subject      text NOT NULL,
    reverses     text,
    posted_at    timestamptz NOT NULL,
    content_hash bytea NOT NULL,
    CONSTRAINT ledger_transactions_key_key UNIQUE (key)
);

CREATE TABLE ledger_postings (
    transaction_id  bigint NOT NULL,
    no              smallint NOT NULL,
    from_account_id bigint NOT NULL,
    to_account_id   bigint NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        text NOT NULL,
    CHECK (from_account_id <> to_account_id),
    PRIMARY KEY (transaction_id, no)
);

CREATE TABLE ledger_seals (
    no                 bigint PRIMARY KEY,
    first_id           bigint NOT NULL,
    last_id            bigint NOT NULL,
    transactions_count bigint NOT NULL,
    previous_hash      bytea NOT NULL,
    hash               bytea NOT NULL,
    sealed_at          timestamptz NOT NULL
);

-- Where the sealer looked last: ids up to high_id are settled once every transaction before horizon is over.
CREATE TABLE ledger_seal_marks (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    high_id  bigint NOT NULL,
    horizon  xid8 NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE withdrawals (
    id           text PRIMARY KEY,
    promoter_id  text NOT NULL,
    currency     text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor    bigint NOT NULL CHECK (fee_minor BETWEEN 0 AND amount_minor),
    method       text NOT NULL CHECK (method IN ('manual', 'wechat', 'alipay', 'bank')),
    account      text,
    status       text NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'paid', 'failed')),
    needs_review boolean NOT NULL,
    reason       text,
    requested_at timestamptz NOT NULL,
    decided_at   timestamptz,
    finished_at  timestamptz
) WITH (fillfactor = 85);

CREATE INDEX withdrawals_promoter ON withdrawals (promoter_id, currency, requested_at);
CREATE INDEX withdrawals_status ON withdrawals (status, id);

CREATE TABLE withdrawal_policies (
    version            integer PRIMARY KEY,
    valid_from         timestamptz NOT NULL,
    minimum_minor      bigint NOT NULL CHECK (minimum_minor > 0),
    fee_bps            integer NOT NULL CHECK (fee_bps BETWEEN 0 AND 10000),
    daily_limit_minor  bigint CHECK (daily_limit_minor > 0),
    review_above_minor bigint CHECK (review_above_minor >= 0)
);

INSERT INTO withdrawal_policies (version, valid_from, minimum_minor, fee_bps) VALUES (1, '1970-01-01Z', 100, 0);
