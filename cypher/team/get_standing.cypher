// Get where one promoter stands, and everybody above a chosen inviter, nearest first and itself included.
//
// mode:    read
// params:  $promoter_id  string  who would move
//          $inviter_id   string  the chosen inviter, or empty
// returns: inviter_id string?, since integer, team_1 integer, team_2 integer, team_3 integer, above list
// cost:    two index seeks and the walk up from the chosen inviter, at most 256 hops
// sample:  {"promoter_id": "prm_demo", "inviter_id": "prm_top"}
MATCH (promoter:User {promoter_id: $promoter_id})
OPTIONAL MATCH (promoter)<-[:INVITED]-(inviter:User)
OPTIONAL MATCH path = (:User {promoter_id: $inviter_id})<-[:INVITED*0..256]-(ancestor:User)
WITH promoter, inviter, ancestor, length(path) AS steps ORDER BY steps
RETURN inviter.promoter_id AS inviter_id, promoter.joined_at AS since, promoter.team_1 AS team_1,
  promoter.team_2 AS team_2, promoter.team_3 AS team_3, collect(ancestor.promoter_id) AS above
