-- Payments: money that comes in, goes back and goes out through a provider, and the comparison with its books.

CREATE TABLE payments (
    -- Also the number the provider knows it by (out_trade_no), for good.
    id             text PRIMARY KEY,
    order_id       text NOT NULL REFERENCES orders (id),
    shopper_id     text NOT NULL,
    provider       text NOT NULL CHECK (provider IN ('wechat', 'alipay', 'wallet')),
    payer_id       text,
    description    text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL,
    state          text NOT NULL CHECK (state IN
                     ('asking', 'pending', 'closing', 'succeeded', 'closed', 'failed', 'held')),
    outcome        text CHECK (outcome IN
                     ('paid_order', 'order_closed', 'paid_twice', 'stock_gone', 'amount_differs')),
    prepay_id      text,
    prepaid_at     timestamptz,
    provider_no    text,
    received_minor bigint,
    paid_at        timestamptz,
    expires_at     timestamptz NOT NULL,
    asked_at       timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    -- When the provider is to be asked next; nothing is left to ask while it is empty.
    next_at        timestamptz,
    note           text,
    -- The last instant told as upload_time; it must grow from upload to upload.
    shipping_told_at timestamptz,
    shipping_told_count smallint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    CONSTRAINT payments_money CHECK ((state IN ('succeeded', 'held')) = (outcome IS NOT NULL))
) WITH (fillfactor = 80);

-- An order has one open payment of a kind, so that two taps do not open two.
CREATE UNIQUE INDEX payments_open ON payments (order_id, provider) WHERE state IN ('asking', 'pending');
-- An order is paid by one payment, whatever runs at the same time.
CREATE UNIQUE INDEX payments_paid ON payments (order_id) WHERE outcome = 'paid_order';
CREATE UNIQUE INDEX payments_provider_no ON payments (provider, provider_no) WHERE provider_no IS NOT NULL;
CREATE INDEX payments_order ON payments (order_id, id);
CREATE INDEX payments_next ON payments (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX payments_state ON payments (state, id);
CREATE INDEX payments_day ON payments (provider, paid_at) WHERE paid_at IS NOT NULL;

CREATE TABLE payment_refunds (
    id           text PRIMARY KEY,
    -- What the provider knows it by (out_refund_no). It changes only when the provider has closed the one before.
    out_no       text NOT NULL,
    payment_id   text NOT NULL REFERENCES payments (id),
    cause        text NOT NULL CHECK (cause IN
                   ('after_sale', 'order_closed', 'paid_twice', 'stock_gone', 'amount_differs')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reason       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('due', 'asking', 'processing', 'succeeded', 'failed', 'held')),
    provider_no  text,
    asked_at     timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz,
    refunded_at  timestamptz,
    note         text,
    created_at   timestamptz NOT NULL,
    CONSTRAINT payment_refunds_out_no_key UNIQUE (out_no)
) WITH (fillfactor = 80);

-- What nothing could be done with goes back whole, once.
CREATE UNIQUE INDEX payment_refunds_unwanted ON payment_refunds (payment_id) WHERE cause <> 'after_sale';
CREATE INDEX payment_refunds_payment ON payment_refunds (payment_id, id);
CREATE INDEX payment_refunds_next ON payment_refunds (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX payment_refunds_state ON payment_refunds (state, id);

-- Each notify once, as received: it comes again and again.
CREATE TABLE provider_notifies (
    provider    text NOT NULL,
    notify_id   text NOT NULL,
    kind        text NOT NULL,
    no          text,
    digest      bytea NOT NULL,
    body        bytea NOT NULL,
    outcome     text NOT NULL DEFAULT '',
    times       integer NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (provider, notify_id)
);
CREATE INDEX provider_notifies_received ON provider_notifies (received_at);

CREATE TABLE payouts (
    id            text PRIMARY KEY,
    withdrawal_id text NOT NULL REFERENCES withdrawals (id),
    provider      text NOT NULL CHECK (provider IN ('wechat', 'alipay')),
    -- What the provider knows it by; it never changes.
    out_no        text NOT NULL,
    payee_id      text NOT NULL,
    is_logon_id   boolean NOT NULL,
    name          bytea,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL,
    state         text NOT NULL CHECK (state IN
                    ('due', 'asking', 'waiting_for_user', 'processing', 'cancelling', 'held',
                     'succeeded', 'failed', 'cancelled')),
    package       text,
    provider_no   text,
    note          text,
    asked_at      timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    next_at       timestamptz,
    finished_at   timestamptz,
    created_at    timestamptz NOT NULL,
    CONSTRAINT payouts_withdrawal_key UNIQUE (withdrawal_id),
    CONSTRAINT payouts_out_no_key UNIQUE (out_no)
) WITH (fillfactor = 80);
CREATE INDEX payouts_next ON payouts (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX payouts_state ON payouts (state, id);

CREATE TRIGGER payouts_keep_numbers BEFORE UPDATE OF out_no, withdrawal_id, amount_minor ON payouts
    FOR EACH ROW WHEN (OLD.out_no <> NEW.out_no OR OLD.withdrawal_id <> NEW.withdrawal_id
                       OR OLD.amount_minor <> NEW.amount_minor) EXECUTE FUNCTION refuse_change();

-- A day's bill as downloaded, and its lines.
CREATE TABLE bills (
    provider      text NOT NULL,
    on_day        date NOT NULL,
    body          bytea NOT NULL,
    digest        bytea NOT NULL,
    downloaded_at timestamptz NOT NULL,
    PRIMARY KEY (provider, on_day)
);

CREATE TABLE bill_lines (
    provider     text NOT NULL,
    on_day       date NOT NULL,
    what         text NOT NULL CHECK (what IN ('payment', 'refund')),
    no           text NOT NULL,
    provider_no  text NOT NULL,
    amount_minor bigint NOT NULL,
    fee_minor    bigint NOT NULL,
    state        text NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (provider, on_day, what, no)
);
CREATE INDEX bill_lines_no ON bill_lines (provider, what, no);

CREATE TABLE reconciliations (
    id           text PRIMARY KEY,
    provider     text NOT NULL,
    on_day       date NOT NULL,
    run_at       timestamptz NOT NULL,
    lines        integer NOT NULL,
    matched      integer NOT NULL,
    differences  integer NOT NULL,
    ours_minor   bigint NOT NULL,
    theirs_minor bigint NOT NULL
);
CREATE INDEX reconciliations_day ON reconciliations (provider, on_day, id);

CREATE TABLE bill_differences (
    id           text PRIMARY KEY,
    provider     text NOT NULL,
    on_day       date NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('missing_here', 'missing_there', 'amount_differs', 'state_differs')),
    what         text NOT NULL,
    no           text NOT NULL,
    ours_minor   bigint,
    theirs_minor bigint,
    ours_state   text,
    theirs_state text,
    found_at     timestamptz NOT NULL,
    resolved_at  timestamptz,
    note         text,
    CONSTRAINT bill_differences_once UNIQUE (provider, on_day, what, no, kind)
);
CREATE INDEX bill_differences_open ON bill_differences (id) WHERE resolved_at IS NULL;

-- Whose turn it is to talk to the providers, so that a silent one never holds up more than one worker.
CREATE TABLE provider_turns (
    name  text PRIMARY KEY,
    until timestamptz NOT NULL
);
INSERT INTO provider_turns VALUES ('work', 'epoch'), ('bills', 'epoch');

-- Orders paid from a wallet: what the platform took from promoters and owes to the merchant.
ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_kind_check, ADD CONSTRAINT ledger_accounts_kind_check
    CHECK (kind IN ('pending', 'frozen', 'available', 'withdrawing', 'debt', 'payable', 'sales', 'fees', 'world'))
    NOT VALID;
ALTER TABLE ledger_accounts VALIDATE CONSTRAINT ledger_accounts_kind_check;
ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_sign, ADD CONSTRAINT ledger_accounts_sign CHECK (
    CASE WHEN kind IN ('pending', 'frozen', 'available', 'withdrawing', 'sales', 'fees') THEN balance_minor >= 0
         WHEN kind = 'debt' THEN balance_minor <= 0
         ELSE true END) NOT VALID;
ALTER TABLE ledger_accounts VALIDATE CONSTRAINT ledger_accounts_sign;
