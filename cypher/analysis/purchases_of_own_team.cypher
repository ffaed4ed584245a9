// How much of what a promoter is credited for was bought by the promoter's own team.
// 推客的归因订单中，有多少来自自己的团队成员。
//
// params:  $minimum  integer  3  at least this many orders from the team
// returns: promoter_id string, team_orders integer, orders integer, share number
MATCH (p:User)-[:INVITED*1..3]->(member:User)-[:PLACED]->(o:Order)-[:CREDITED_TO]->(p)
WITH p, count(DISTINCT o.id) AS team_orders
WHERE team_orders >= $minimum
WITH p, team_orders, COUNT { (p)<-[:CREDITED_TO]-(:Order) } AS orders
RETURN p.promoter_id AS promoter_id, team_orders, orders, 1.0 * team_orders / orders AS share
ORDER BY share DESC, team_orders DESC, promoter_id LIMIT 500
