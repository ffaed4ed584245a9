// Promoters who changed their inviter, most often first.
// 更换过上级的推客，按次数排序。
//
// params:  $minimum  integer  1  at least this many changes
// returns: promoter_id string, changes integer, last_change integer
MATCH (:User)-[past:INVITED_UNTIL]->(p:User)
WITH p, count(past) AS changes, max(past.valid_to) AS last_change
WHERE changes >= $minimum
RETURN p.promoter_id AS promoter_id, changes, last_change ORDER BY changes DESC, promoter_id LIMIT 500
