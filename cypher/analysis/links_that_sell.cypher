// Links by the orders that came through them: openings, known people, orders.
// 各链接带来的打开数、人数与订单数。
//
// params:  $minimum  integer  1  at least this many openings
// returns: code string, promoter_id string, openings integer, people integer, orders integer
MATCH (p:User)-[:SHARED]->(link:Link)<-[:OPENED]-(t:Touch)
WITH p, link, count(t) AS openings
WHERE openings >= $minimum
OPTIONAL MATCH (link)<-[:OPENED]-(:Touch)<-[:MADE]-(buyer:User)
WITH p, link, openings, collect(DISTINCT buyer) AS buyers
OPTIONAL MATCH (b:User)-[:PLACED]->(o:Order)-[:CREDITED_TO]->(p)
WHERE b IN buyers
RETURN link.code AS code, p.promoter_id AS promoter_id, openings, size(buyers) AS people,
  count(DISTINCT o.id) AS orders
ORDER BY orders DESC, openings DESC, code LIMIT 500
