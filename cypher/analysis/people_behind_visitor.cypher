// Browsers that several people logged in from.
// 同一浏览器上登录过的多个账号。
//
// params:  $minimum  integer  2  at least this many people
// returns: visitor_id string, people integer
MATCH (v:Visitor)-[:MADE]->(t:Touch)<-[:MADE]-(u:User)
WITH v, count(DISTINCT u) AS people
WHERE people >= $minimum
RETURN v.id AS visitor_id, people ORDER BY people DESC, visitor_id LIMIT 500
