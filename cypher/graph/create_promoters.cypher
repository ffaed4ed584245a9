// Add promoters who were not in the graph as people yet.
//
// mode:    write
// params:  $rows  list  of {id, promoter_id, promoter_no, status, joined_at, seat_1, seat_2, seat_3, team_1 … seats_3}
// returns: written integer
// cost:    one index entry each; the properties are spelled out because the embedded server indexes a SET one by one
// sample:  {"rows": [{"id": "buyer-1", "promoter_id": "prm_demo", "promoter_no": 1, "binding_no": 1, "status": "active", "joined_at": 1, "seat_1": null, "seat_2": null, "seat_3": null, "team_1": 0, "team_2": 0, "team_3": 0, "seats_1": 0, "seats_2": 0, "seats_3": 0}]}
UNWIND $rows AS row
CREATE (promoter:User {
  id: row.id, promoter_id: row.promoter_id, promoter_no: row.promoter_no, binding_no: row.binding_no,
  status: row.status, joined_at: row.joined_at, seat_1: row.seat_1, seat_2: row.seat_2, seat_3: row.seat_3,
  team_1: row.team_1, team_2: row.team_2, team_3: row.team_3,
  seats_1: row.seats_1, seats_2: row.seats_2, seats_3: row.seats_3
})
RETURN count(promoter) AS written
