// Make promoters of people who were in the graph as buyers.
//
// mode:    write
// params:  $rows  list  as for create_promoters
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"id": "buyer-1", "promoter_id": "prm_demo", "promoter_no": 1, "binding_no": 1, "status": "active", "joined_at": 1, "seat_1": null, "seat_2": null, "seat_3": null, "team_1": 0, "team_2": 0, "team_3": 0, "seats_1": 0, "seats_2": 0, "seats_3": 0}]}
UNWIND $rows AS row
MATCH (user:User {id: row.id})
SET user.promoter_id = row.promoter_id, user.promoter_no = row.promoter_no, user.binding_no = row.binding_no,
  user.status = row.status, user.joined_at = row.joined_at,
  user.seat_1 = row.seat_1, user.seat_2 = row.seat_2, user.seat_3 = row.seat_3,
  user.team_1 = row.team_1, user.team_2 = row.team_2, user.team_3 = row.team_3,
  user.seats_1 = row.seats_1, user.seats_2 = row.seats_2, user.seats_3 = row.seats_3
RETURN count(user) AS written
