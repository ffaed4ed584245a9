// Promoters credited for many orders within a short time.
// 短时间内被归因大量订单的推客。
//
// params:  $window   integer  3600000000  length of the window in microseconds
//          $minimum  integer  20  at least this many orders in one window
// returns: promoter_id string, window_from integer, orders integer, buyers integer
MATCH (p:User)<-[:CREDITED_TO]-(o:Order)<-[:PLACED]-(buyer:User)
WITH p, o.placed_at / $window AS slot, count(o) AS orders, count(DISTINCT buyer) AS buyers
WHERE orders >= $minimum
RETURN p.promoter_id AS promoter_id, slot * $window AS window_from, orders, buyers
ORDER BY orders DESC, promoter_id, window_from LIMIT 500
