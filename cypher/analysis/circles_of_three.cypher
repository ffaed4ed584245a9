// Circles of three buyers, each credited for an order of the one before.
// 三人循环下单：每人的订单都归因给下一人，形成闭环。
//
// params:  none
// returns: promoter_a string, promoter_b string, promoter_c string, orders integer
MATCH (a:User)-[:PLACED]->(x:Order)-[:CREDITED_TO]->(b:User)-[:PLACED]->(y:Order)-[:CREDITED_TO]->(c:User)
WHERE a.id < b.id AND a.id < c.id AND b.id <> c.id
MATCH (c)-[:PLACED]->(z:Order)-[:CREDITED_TO]->(a)
RETURN a.promoter_id AS promoter_a, b.promoter_id AS promoter_b, c.promoter_id AS promoter_c,
  count(DISTINCT x.id) + count(DISTINCT y.id) + count(DISTINCT z.id) AS orders
ORDER BY orders DESC, promoter_a, promoter_b LIMIT 500
