// Get how many members stand one, two and three steps below one promoter.
//
// mode:    read
// params:  $promoter_id  string  top of the team
// returns: team_1 integer, team_2 integer, team_3 integer
// cost:    one index seek
// sample:  {"promoter_id": "prm_demo"}
MATCH (promoter:User {promoter_id: $promoter_id})
RETURN promoter.team_1 AS team_1, promoter.team_2 AS team_2, promoter.team_3 AS team_3
