-- Coupons and freight.

-- The terms of a template never change once it is made: only its name, its stock and whether it is given out.
CREATE TABLE coupon_templates (
    id              text PRIMARY KEY,
    merchant_id     text REFERENCES merchants (id),
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('fixed', 'percentage')),
    currency        text NOT NULL,
    amount_minor    bigint CHECK (amount_minor > 0),
    off_bps         integer CHECK (off_bps BETWEEN 1 AND 10000),
    cap_minor       bigint CHECK (cap_minor > 0),
    threshold_minor bigint NOT NULL DEFAULT 0 CHECK (threshold_minor >= 0),
    scope           text NOT NULL CHECK (scope IN ('all', 'category', 'product')),
    scope_ids       text[] NOT NULL,
    newcomers_only  boolean NOT NULL DEFAULT false,
    stock           bigint NOT NULL CHECK (stock >= 0),
    claimed_count   bigint NOT NULL DEFAULT 0,
    per_person      integer NOT NULL CHECK (per_person > 0),
    claim_from      timestamptz NOT NULL,
    claim_to        timestamptz NOT NULL,
    valid_days      integer CHECK (valid_days > 0),
    valid_from      timestamptz NOT NULL,
    valid_to        timestamptz NOT NULL,
    is_open         boolean NOT NULL DEFAULT true,
    version         integer NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    CONSTRAINT coupon_templates_kind CHECK ((kind = 'fixed') = (amount_minor IS NOT NULL)
                                            AND (kind = 'percentage') = (off_bps IS NOT NULL)),
    CONSTRAINT coupon_templates_stock CHECK (claimed_count BETWEEN 0 AND stock),
    CONSTRAINT coupon_templates_claim CHECK (claim_to > claim_from),
    CONSTRAINT coupon_templates_valid CHECK (valid_to > valid_from)
) WITH (fillfactor = 50);

CREATE TABLE coupons (
    id          text PRIMARY KEY,
    template_id text NOT NULL REFERENCES coupon_templates (id),
    shopper_id  text NOT NULL,
    nth         integer NOT NULL CHECK (nth > 0),
    state       text NOT NULL CHECK (state IN ('claimed', 'held', 'used')),
    order_id    text,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz NOT NULL,
    claimed_at  timestamptz NOT NULL,
    used_at     timestamptz,
    CONSTRAINT coupons_nth_key UNIQUE (template_id, shopper_id, nth),
    CONSTRAINT coupons_order CHECK ((state = 'claimed') = (order_id IS NULL))
) WITH (fillfactor = 85);

CREATE INDEX coupons_shopper ON coupons (shopper_id, id);
CREATE UNIQUE INDEX coupons_order_key ON coupons (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE freight_rules (
    merchant_id text PRIMARY KEY REFERENCES merchants (id),
    unit        text NOT NULL CHECK (unit IN ('piece', 'weight')),
    zones       jsonb NOT NULL,
    version     integer NOT NULL,
    changed_by  text NOT NULL,
    changed_at  timestamptz NOT NULL
);
