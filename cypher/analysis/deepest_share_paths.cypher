// The deepest share paths: how far a link travelled from hand to hand.
// 最深的分享链：一个链接被转发了多少手。
//
// params:  $minimum  integer  2  at least this deep
// returns: touch_id string, depth integer, code string, promoter_id string
MATCH (t:Touch)
WHERE t.depth >= $minimum
MATCH (t)-[:OPENED]->(link:Link)<-[:SHARED]-(p:User)
RETURN t.id AS touch_id, t.depth AS depth, link.code AS code, p.promoter_id AS promoter_id
ORDER BY depth DESC, touch_id LIMIT 100
