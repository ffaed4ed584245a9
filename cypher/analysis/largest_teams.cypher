// The largest teams, by members within three levels.
// 三级以内人数最多的团队。
//
// params:  $minimum  integer  1  at least this many members
// returns: promoter_id string, members integer, level_1 integer, level_2 integer, level_3 integer
MATCH (p:User)
WHERE p.promoter_id IS NOT NULL AND p.team_1 + p.team_2 + p.team_3 >= $minimum
RETURN p.promoter_id AS promoter_id, p.team_1 + p.team_2 + p.team_3 AS members,
  p.team_1 AS level_1, p.team_2 AS level_2, p.team_3 AS level_3
ORDER BY members DESC, promoter_id LIMIT 100
