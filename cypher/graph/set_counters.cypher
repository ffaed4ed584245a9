// Set the team sizes and the seats given out of some promoters.
//
// mode:    write
// params:  $rows  list  of {promoter_id, team_1, team_2, team_3, seats_1, seats_2, seats_3}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"promoter_id": "prm_demo", "team_1": 1, "team_2": 0, "team_3": 0, "seats_1": 1, "seats_2": 0, "seats_3": 0}]}
UNWIND $rows AS row
MATCH (promoter:User {promoter_id: row.promoter_id})
SET promoter.team_1 = row.team_1, promoter.team_2 = row.team_2, promoter.team_3 = row.team_3,
  promoter.seats_1 = row.seats_1, promoter.seats_2 = row.seats_2, promoter.seats_3 = row.seats_3
RETURN count(promoter) AS written
