// People who buy through one another in a circle of two: each was credited for an order of the other.
// 互相下单的两人：彼此的订单都归因给了对方。
//
// params:  $minimum  integer  1  at least this many orders in each direction
// returns: promoter_a string, promoter_b string, a_for_b integer, b_for_a integer, weight integer
MATCH (a:User)-[:PLACED]->(x:Order)-[:CREDITED_TO]->(b:User)
WHERE a.id < b.id
WITH a, b, count(x) AS a_for_b
MATCH (b)-[:PLACED]->(y:Order)-[:CREDITED_TO]->(a)
WITH a, b, a_for_b, count(y) AS b_for_a
WHERE a_for_b >= $minimum AND b_for_a >= $minimum
RETURN a.promoter_id AS promoter_a, b.promoter_id AS promoter_b, a_for_b, b_for_a, a_for_b + b_for_a AS weight
ORDER BY weight DESC, promoter_a, promoter_b LIMIT 500
