-- Orders as a shopper and a warehouse see them; the same ids as the table orders, which keeps the facts of the money path.

CREATE SEQUENCE shop_order_numbers;

CREATE TABLE pickup_points (
    id          text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchants (id),
    promoter_id text NOT NULL REFERENCES promoters (id),
    name        text NOT NULL,
    address     text NOT NULL,
    phone       text NOT NULL,
    hours       text NOT NULL DEFAULT '',
    is_open     boolean NOT NULL DEFAULT true,
    version     integer NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL
);

CREATE INDEX pickup_points_merchant ON pickup_points (merchant_id, id);
CREATE INDEX pickup_points_promoter ON pickup_points (promoter_id, id);

CREATE TABLE shop_orders (
    id                    text PRIMARY KEY REFERENCES orders (id),
    no                    text NOT NULL,
    shopper_id            text NOT NULL,
    merchant_id           text NOT NULL,
    currency              text NOT NULL,
    state                 text NOT NULL CHECK (state IN ('unpaid', 'to_ship', 'shipped', 'completed', 'closed')),
    delivery              text NOT NULL CHECK (delivery IN ('parcel', 'pickup')),
    address               jsonb NOT NULL,
    pickup_point_id       text REFERENCES pickup_points (id),
    pickup_code           text,
    note                  text NOT NULL,
    goods_minor           bigint NOT NULL CHECK (goods_minor > 0),
    discount_minor        bigint NOT NULL CHECK (discount_minor >= 0),
    freight_minor         bigint NOT NULL CHECK (freight_minor >= 0),
    payable_minor         bigint NOT NULL CHECK (payable_minor > 0),
    claimed_freight_minor bigint NOT NULL DEFAULT 0,
    coupon_id             text,
    payment_id            text,
    open_cases            integer NOT NULL DEFAULT 0 CHECK (open_cases >= 0),
    placed_at             timestamptz NOT NULL,
    expires_at            timestamptz NOT NULL,
    paid_at               timestamptz,
    shipped_at            timestamptz,
    receive_by            timestamptz,
    completed_at          timestamptz,
    closed_at             timestamptz,
    close_reason          text,
    version               integer NOT NULL DEFAULT 1,
    CONSTRAINT shop_orders_no_key UNIQUE (no),
    CONSTRAINT shop_orders_payment_id_key UNIQUE (payment_id),
    CONSTRAINT shop_orders_sum CHECK (payable_minor = goods_minor - discount_minor + freight_minor),
    CONSTRAINT shop_orders_freight CHECK (claimed_freight_minor BETWEEN 0 AND freight_minor),
    CONSTRAINT shop_orders_point CHECK ((delivery = 'pickup') = (pickup_point_id IS NOT NULL))
) WITH (fillfactor = 85);

CREATE INDEX shop_orders_shopper ON shop_orders (shopper_id, id);
CREATE INDEX shop_orders_state ON shop_orders (state, id);
CREATE INDEX shop_orders_merchant ON shop_orders (merchant_id, id);
CREATE INDEX shop_orders_after_sale ON shop_orders (id) WHERE open_cases > 0;
CREATE INDEX shop_orders_unpaid_due ON shop_orders (expires_at, id) WHERE state = 'unpaid';
CREATE INDEX shop_orders_receipt_due ON shop_orders (receive_by, id) WHERE state = 'shipped' AND open_cases = 0;
CREATE INDEX shop_orders_point ON shop_orders (pickup_point_id, id) WHERE pickup_point_id IS NOT NULL;
CREATE UNIQUE INDEX shop_orders_pickup_code ON shop_orders (pickup_point_id, pickup_code)
    WHERE state IN ('to_ship', 'shipped') AND pickup_code IS NOT NULL;

-- `cancelled_quantity`: pieces that will not be shipped, because after-sale holds or refunded them before.
-- `claimed_*`: what after-sale cases that are open or refunded ask for.
CREATE TABLE shop_order_lines (
    order_id           text NOT NULL REFERENCES shop_orders (id),
    no                 smallint NOT NULL,
    sku_id             text NOT NULL,
    product_id         text NOT NULL,
    code               text NOT NULL,
    name               text NOT NULL,
    spec               text[] NOT NULL,
    picture            text,
    price_minor        bigint NOT NULL CHECK (price_minor > 0),
    quantity           integer NOT NULL CHECK (quantity > 0),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    shipped_quantity   integer NOT NULL DEFAULT 0 CHECK (shipped_quantity >= 0),
    cancelled_quantity integer NOT NULL DEFAULT 0 CHECK (cancelled_quantity >= 0),
    claimed_quantity   integer NOT NULL DEFAULT 0,
    claimed_minor      bigint NOT NULL DEFAULT 0,
    CONSTRAINT shop_order_lines_pieces CHECK (shipped_quantity + cancelled_quantity <= quantity),
    CONSTRAINT shop_order_lines_claims CHECK (claimed_quantity BETWEEN 0 AND quantity),
    CONSTRAINT shop_order_lines_money CHECK (claimed_minor BETWEEN 0 AND amount_minor),
    PRIMARY KEY (order_id, no)
) WITH (fillfactor = 85);

-- What happened to an order, one row for each version: the live feed resumes from here.
CREATE TABLE shop_order_events (
    order_id   text NOT NULL REFERENCES shop_orders (id),
    version    integer NOT NULL,
    kind       text NOT NULL,
    state      text NOT NULL,
    detail     jsonb NOT NULL,
    made_by    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, version)
);

CREATE TABLE shop_order_notes (
    id         text PRIMARY KEY,
    order_id   text NOT NULL REFERENCES shop_orders (id),
    body       text NOT NULL,
    made_by    text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX shop_order_notes_order ON shop_order_notes (order_id, id);

CREATE TABLE parcels (
    id          text PRIMARY KEY,
    order_id    text NOT NULL REFERENCES shop_orders (id),
    carrier     text NOT NULL,
    tracking_no text NOT NULL,
    line_nos    smallint[] NOT NULL,
    quantities  integer[] NOT NULL,
    shipped_by  text NOT NULL,
    shipped_at  timestamptz NOT NULL,
    uploaded_at timestamptz,
    CONSTRAINT parcels_tracking_key UNIQUE (order_id, carrier, tracking_no)
);

CREATE INDEX parcels_upload_due ON parcels (id) WHERE uploaded_at IS NULL;
CREATE INDEX parcels_tracking ON parcels (tracking_no);

CREATE TABLE after_sale_cases (
    id                 text PRIMARY KEY,
    order_id           text NOT NULL REFERENCES shop_orders (id),
    shopper_id         text NOT NULL,
    merchant_id        text NOT NULL,
    kind               text NOT NULL CHECK (kind IN ('refund_only', 'return_and_refund')),
    state              text NOT NULL CHECK (state IN
                         ('requested', 'approved', 'rejected', 'returning', 'received_back', 'refunded', 'cancelled')),
    reason             text NOT NULL,
    description        text NOT NULL,
    pictures           text[] NOT NULL,
    goods_minor        bigint NOT NULL CHECK (goods_minor > 0),
    freight_minor      bigint NOT NULL CHECK (freight_minor >= 0),
    answer             text NOT NULL DEFAULT '',
    decided_by         text,
    return_carrier     text,
    return_tracking_no text,
    deadline_at        timestamptz,
    created_at         timestamptz NOT NULL,
    decided_at         timestamptz,
    ended_at           timestamptz,
    version            integer NOT NULL DEFAULT 1
) WITH (fillfactor = 85);

CREATE INDEX after_sale_cases_order ON after_sale_cases (order_id, id);
CREATE INDEX after_sale_cases_shopper ON after_sale_cases (shopper_id, id);
CREATE INDEX after_sale_cases_state ON after_sale_cases (state, id);
CREATE INDEX after_sale_cases_due ON after_sale_cases (deadline_at, id)
    WHERE state IN ('requested', 'approved') AND deadline_at IS NOT NULL;

-- `unshipped_quantity` of the pieces had not left when the case was opened.
CREATE TABLE after_sale_lines (
    case_id            text NOT NULL REFERENCES after_sale_cases (id),
    no                 smallint NOT NULL,
    quantity           integer NOT NULL CHECK (quantity >= 0),
    unshipped_quantity integer NOT NULL CHECK (unshipped_quantity BETWEEN 0 AND quantity),
    amount_minor       bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (case_id, no)
);

-- Money on its way back; the id is the out refund number that a provider is told, and stays the same however often.
CREATE TABLE shop_refunds (
    id            text PRIMARY KEY,
    order_id      text NOT NULL REFERENCES shop_orders (id),
    case_id       text NOT NULL REFERENCES after_sale_cases (id),
    line_nos      smallint[] NOT NULL,
    quantities    integer[] NOT NULL,
    amounts       bigint[] NOT NULL,
    goods_minor   bigint NOT NULL CHECK (goods_minor > 0),
    freight_minor bigint NOT NULL CHECK (freight_minor >= 0),
    state         text NOT NULL CHECK (state IN ('due', 'sent', 'succeeded', 'failed')),
    failure       text,
    created_at    timestamptz NOT NULL,
    sent_at       timestamptz,
    finished_at   timestamptz,
    CONSTRAINT shop_refunds_case_key UNIQUE (case_id)
) WITH (fillfactor = 85);

CREATE INDEX shop_refunds_order ON shop_refunds (order_id, id);
CREATE INDEX shop_refunds_open ON shop_refunds (state, id) WHERE state <> 'succeeded';
