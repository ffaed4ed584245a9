// List the counters of some promoters and of up to three living ancestors of each, nearest first.
//
// mode:    read
// params:  $promoter_ids  list  promoters to start from
// returns: start_id string, steps integer, promoter_id string, promoter_no integer, binding_no integer,
//          team_1 integer, team_2 integer, team_3 integer, seats_1 integer, seats_2 integer, seats_3 integer
// cost:    one index seek and at most three hops each
// sample:  {"promoter_ids": ["prm_demo"]}
UNWIND $promoter_ids AS start_id
MATCH path = (:User {promoter_id: start_id})<-[:INVITED*0..3]-(ancestor:User)
RETURN start_id AS start_id, length(path) AS steps, ancestor.promoter_id AS promoter_id,
  ancestor.promoter_no AS promoter_no, ancestor.binding_no AS binding_no,
  ancestor.team_1 AS team_1, ancestor.team_2 AS team_2, ancestor.team_3 AS team_3,
  ancestor.seats_1 AS seats_1, ancestor.seats_2 AS seats_2, ancestor.seats_3 AS seats_3
ORDER BY start_id, steps
