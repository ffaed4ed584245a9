// Promoters who were credited for orders of their own.
// 自购：推客的订单归因给了自己。
//
// params:  $minimum  integer  1  at least this many orders
// returns: promoter_id string, orders integer
MATCH (p:User)-[:PLACED]->(o:Order)-[:CREDITED_TO]->(p)
WITH p, count(o) AS orders
WHERE orders >= $minimum
RETURN p.promoter_id AS promoter_id, orders ORDER BY orders DESC, promoter_id LIMIT 500
