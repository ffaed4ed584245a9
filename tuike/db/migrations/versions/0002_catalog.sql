-- What is for sale, how much of it is there, and how it is found.

CREATE TABLE merchants (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    status     text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed')),
    version    integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);

INSERT INTO merchants (id, name, created_at) VALUES ('main', 'main', now());

-- Staff named here work for these merchants only; staff without a row work for the platform.
CREATE TABLE merchant_staff (
    staff_id    text NOT NULL,
    merchant_id text NOT NULL REFERENCES merchants (id),
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (staff_id, merchant_id)
);

-- A tree of parents; its shape is decided under one lock, so that it has no cycle and a bounded depth.
CREATE TABLE categories (
    id         text PRIMARY KEY,
    parent_id  text REFERENCES categories (id),
    name       text NOT NULL,
    position   integer NOT NULL DEFAULT 0,
    rates_bps  integer[],
    version    integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    CONSTRAINT categories_not_own_parent CHECK (parent_id <> id),
    CONSTRAINT categories_name_key UNIQUE NULLS NOT DISTINCT (parent_id, name)
);

CREATE TABLE brands (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    logo       text,
    version    integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    CONSTRAINT brands_name_key UNIQUE (name)
);

-- `lexemes` is the text form of `search`, written by tuike.catalog.words: the tokens do not depend on a server's locale.
-- `facets` holds what a search filters by (`b:brand`, `c:category`, `m:merchant`, `t:tag`) for one GIN index.
-- `in_stock` and `sold_count` trail the table stock by a moment; they serve filters and sorting, never a sale.
CREATE TABLE products (
    id               text PRIMARY KEY,
    merchant_id      text NOT NULL REFERENCES merchants (id),
    code             text NOT NULL,
    state            text NOT NULL CHECK (state IN ('draft', 'on_sale', 'off_sale', 'deleted')),
    version          integer NOT NULL DEFAULT 1,
    name             text NOT NULL,
    subtitle         text NOT NULL DEFAULT '',
    description      text NOT NULL DEFAULT '',
    category_id      text REFERENCES categories (id),
    brand_id         text REFERENCES brands (id),
    tags             text[] NOT NULL DEFAULT '{}',
    pictures         text[] NOT NULL DEFAULT '{}',
    video            text,
    spec_names       text[] NOT NULL DEFAULT '{}',
    currency         text NOT NULL,
    rates_bps        integer[],
    price_from_minor bigint NOT NULL CHECK (price_from_minor > 0),
    price_to_minor   bigint NOT NULL CHECK (price_to_minor >= price_from_minor),
    in_stock         boolean NOT NULL DEFAULT false,
    sold_count       bigint NOT NULL DEFAULT 0,
    lexemes          text NOT NULL,
    search           tsvector NOT NULL GENERATED ALWAYS AS (lexemes::tsvector) STORED,
    facets           text[] NOT NULL,
    terms            text[] NOT NULL,
    listed_at        timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT products_code_key UNIQUE (merchant_id, code)
);

CREATE INDEX products_of_merchant ON products (merchant_id, id);
CREATE INDEX products_of_category ON products (category_id) WHERE state <> 'deleted';
CREATE INDEX products_of_brand ON products (brand_id) WHERE state <> 'deleted';
CREATE INDEX products_search ON products USING gin (search) WITH (fastupdate = off) WHERE state = 'on_sale';
CREATE INDEX products_facets ON products USING gin (facets) WITH (fastupdate = off) WHERE state = 'on_sale';
CREATE INDEX products_newest ON products (listed_at, id) WHERE state = 'on_sale';
CREATE INDEX products_cheapest ON products (price_from_minor, id) WHERE state = 'on_sale';
CREATE INDEX products_best_sold ON products (sold_count, id) WHERE state = 'on_sale';

-- A SKU that was dropped from its product stays, for the orders and reservations that name it.
CREATE TABLE skus (
    id               text PRIMARY KEY,
    product_id       text NOT NULL REFERENCES products (id),
    merchant_id      text NOT NULL,
    code             text NOT NULL,
    spec             text[] NOT NULL,
    position         integer NOT NULL,
    price_minor      bigint NOT NULL CHECK (price_minor BETWEEN 1 AND 10000000000000),
    list_price_minor bigint CHECK (list_price_minor BETWEEN 1 AND 10000000000000),
    weight_grams     integer NOT NULL DEFAULT 0 CHECK (weight_grams >= 0),
    limit_per_person integer CHECK (limit_per_person > 0),
    picture          text,
    is_dropped       boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL,
    CONSTRAINT skus_spec_key UNIQUE (product_id, spec) DEFERRABLE,
    CONSTRAINT skus_code_key UNIQUE (merchant_id, code) DEFERRABLE
);

-- Apart from skus, because this is what crowds write: pieces on the shelf, promised to open orders, and sold.
CREATE TABLE stock (
    sku_id    text PRIMARY KEY REFERENCES skus (id),
    available bigint NOT NULL CHECK (available >= 0),
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    sold      bigint NOT NULL DEFAULT 0 CHECK (sold >= 0)
) WITH (fillfactor = 50);

-- One row for an order, so that one lock covers it. No foreign key to orders: pieces are reserved before the order is there.
CREATE TABLE stock_reservations (
    order_id   text PRIMARY KEY,
    buyer_id   text NOT NULL,
    state      text NOT NULL CHECK (state IN ('reserved', 'released', 'taken')),
    sku_ids    text[] NOT NULL,
    quantities integer[] NOT NULL,
    returned   integer[] NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX stock_reservations_due ON stock_reservations (expires_at, order_id) WHERE state = 'reserved';

-- How many pieces of a SKU one person holds or bought: what a limit per person is checked against.
CREATE TABLE stock_buyers (
    sku_id   text NOT NULL REFERENCES skus (id),
    buyer_id text NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (sku_id, buyer_id)
) WITH (fillfactor = 85);

CREATE TABLE stock_returns (
    id         text PRIMARY KEY,
    order_id   text NOT NULL,
    lines      jsonb NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE stock_corrections (
    id         text PRIMARY KEY,
    sku_id     text NOT NULL REFERENCES skus (id),
    change     bigint NOT NULL,
    available  bigint NOT NULL,
    reason     text NOT NULL,
    made_by    text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX stock_corrections_sku ON stock_corrections (sku_id, id);

CREATE TABLE shelves (
    id         text PRIMARY KEY,
    title      text NOT NULL,
    position   integer NOT NULL,
    shown_from timestamptz,
    shown_to   timestamptz,
    products   text[] NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    CONSTRAINT shelves_shown CHECK (shown_to > shown_from)
);

CREATE TABLE media (
    name         text PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('picture', 'video')),
    content_type text NOT NULL,
    byte_count   bigint NOT NULL,
    width        integer,
    height       integer,
    created_at   timestamptz NOT NULL
);

CREATE INDEX media_created_at ON media (created_at);

-- The words that complete what somebody types, ten for each beginning; made anew from the products on sale.
CREATE TABLE suggestions (
    prefix text NOT NULL,
    place  smallint NOT NULL,
    term   text NOT NULL,
    PRIMARY KEY (prefix, place)
);

-- What changed, for the caches of the API's processes: each reads what was written since it last looked.
-- The transaction's id orders rows without a gap, which a sequence does not.
CREATE TABLE catalog_changes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic      text NOT NULL,
    key        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX catalog_changes_xid ON catalog_changes (xid);
