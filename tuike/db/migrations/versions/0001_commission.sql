-- Plans, the split decided when an order was placed, and the entries that a payment makes of it.

CREATE TABLE plans (
    name          text NOT NULL,
    version       integer NOT NULL,
    valid_from    timestamptz NOT NULL,
    levels_max    smallint NOT NULL CHECK (levels_max BETWEEN 1 AND 3),
    rates_bps     integer[] NOT NULL,
    holding_days  integer NOT NULL CHECK (holding_days >= 0),
    lock_days     integer NOT NULL CHECK (lock_days >= 1),
    attribution   text NOT NULL CHECK (attribution IN ('last', 'first')),
    base          text NOT NULL CHECK (base = 'paid'),
    self_purchase boolean NOT NULL,
    order_cap_bps integer CHECK (order_cap_bps BETWEEN 0 AND 10000),
    PRIMARY KEY (name, version)
);

INSERT INTO plans (name, version, valid_from, levels_max, rates_bps, holding_days, lock_days, attribution, base,
                   self_purchase)
VALUES ('default', 1, '1970-01-01Z', 2, '{1000,300,0}', 7, 30, 'last', 'paid', false);

-- Arrays have one slot for each of the three levels, nearest first.
CREATE TABLE commission_splits (
    order_id      text PRIMARY KEY,
    merchant_id   text NOT NULL,
    currency      text NOT NULL,
    base_minor    bigint NOT NULL,
    holding_days  integer NOT NULL,
    promoter_ids  text[] NOT NULL,
    rates_bps     integer[] NOT NULL,
    amounts_minor bigint[] NOT NULL,
    lines         jsonb NOT NULL,
    trace         jsonb NOT NULL,
    due_at        timestamptz
) WITH (fillfactor = 90);

CREATE TABLE commission_entries (
    order_id       text NOT NULL,
    level          smallint NOT NULL,
    promoter_id    text NOT NULL,
    merchant_id    text NOT NULL,
    currency       text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    reversed_minor bigint NOT NULL DEFAULT 0 CHECK (reversed_minor BETWEEN 0 AND amount_minor),
    status         text NOT NULL CHECK (status IN ('pending', 'frozen', 'available', 'reversed')),
    due_at         timestamptz,
    hold_reason    text,
    PRIMARY KEY (order_id, level)
) WITH (fillfactor = 80);

CREATE INDEX commission_entries_open ON commission_entries (promoter_id) WHERE status IN ('pending', 'frozen');
CREATE INDEX commission_entries_due ON commission_entries (due_at) WHERE status = 'pending' AND due_at IS NOT NULL;
