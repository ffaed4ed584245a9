-- Staff of one merchant list its orders; without this a merchant with few orders reads everybody's.
CREATE INDEX CONCURRENTLY orders_merchant ON orders (merchant_id, id);
