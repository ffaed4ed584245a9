// Reasons for which orders were or were not credited, by promoter.
// 各推客的订单归因原因分布。
//
// params:  $minimum  integer  1  at least this many orders
// returns: promoter_id string, reason string, orders integer
MATCH (o:Order)-[credit:CREDITED_TO]->(p:User)
WITH p, credit.reason AS reason, count(o) AS orders
WHERE orders >= $minimum
RETURN p.promoter_id AS promoter_id, reason, orders ORDER BY orders DESC, promoter_id, reason LIMIT 500
