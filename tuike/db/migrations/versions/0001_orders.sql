-- Facts about orders, as the shop told them.

CREATE TABLE orders (
    id                      text PRIMARY KEY,
    external_id             text NOT NULL,
    buyer_id                text NOT NULL,
    merchant_id             text NOT NULL DEFAULT 'main',
    currency                text NOT NULL,
    status                  text NOT NULL CHECK (status IN ('placed', 'paid', 'received', 'refunded')),
    goods_minor             bigint NOT NULL CHECK (goods_minor > 0),
    shipping_minor          bigint NOT NULL CHECK (shipping_minor >= 0),
    refunded_minor          bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    refunded_shipping_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_shipping_minor BETWEEN 0 AND shipping_minor),
    touch_id                text,
    visitor_id              text,
    plan_name               text NOT NULL,
    plan_version            integer NOT NULL,
    attribution_state       text NOT NULL CHECK (attribution_state IN ('resolved', 'pending')),
    attribution_promoter_id text,
    attribution_model       text NOT NULL,
    attribution_reason      text NOT NULL,
    attribution_touch_id    text,
    payment_id              text,
    placed_at               timestamptz NOT NULL,
    paid_at                 timestamptz,
    received_at             timestamptz,
    created_at              timestamptz NOT NULL,
    CONSTRAINT orders_external_id_key UNIQUE (external_id),
    CONSTRAINT orders_payment_id_key UNIQUE (payment_id),
    CONSTRAINT orders_refund_fits CHECK (refunded_minor <= goods_minor + shipping_minor)
) WITH (fillfactor = 85);

CREATE INDEX orders_buyer ON orders (buyer_id, id);

CREATE TABLE order_lines (
    order_id       text NOT NULL REFERENCES orders (id),
    no             smallint NOT NULL,
    sku            text NOT NULL,
    quantity       integer NOT NULL CHECK (quantity > 0),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    category       text,
    rates_bps      integer[],
    PRIMARY KEY (order_id, no)
) WITH (fillfactor = 90);

CREATE TABLE refunds (
    id             text PRIMARY KEY,
    order_id       text NOT NULL REFERENCES orders (id),
    refunded_at    timestamptz NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    shipping_minor bigint NOT NULL CHECK (shipping_minor >= 0),
    parts          bigint[] NOT NULL,
    request        jsonb NOT NULL,
    created_at     timestamptz NOT NULL
);

CREATE INDEX refunds_order ON refunds (order_id, created_at, id);
