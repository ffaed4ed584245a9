-- Carts and address books.

-- The row that two devices of one shopper meet at.
CREATE TABLE carts (
    shopper_id text PRIMARY KEY,
    version    integer NOT NULL DEFAULT 1
) WITH (fillfactor = 50);

CREATE TABLE cart_lines (
    shopper_id       text NOT NULL REFERENCES carts (shopper_id),
    sku_id           text NOT NULL,
    quantity         integer NOT NULL CHECK (quantity > 0),
    is_chosen        boolean NOT NULL,
    price_seen_minor bigint NOT NULL,
    touch_id         text,
    visitor_id       text,
    added_at         timestamptz NOT NULL,
    PRIMARY KEY (shopper_id, sku_id)
) WITH (fillfactor = 85);

CREATE TABLE addresses (
    id          text PRIMARY KEY,
    shopper_id  text NOT NULL,
    name        text NOT NULL,
    phone       text NOT NULL,
    region_code text NOT NULL,
    region      text NOT NULL,
    detail      text NOT NULL,
    is_default  boolean NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE INDEX addresses_shopper ON addresses (shopper_id, id);
CREATE UNIQUE INDEX addresses_default_key ON addresses (shopper_id) WHERE is_default;
