// List the promoters above one promoter as of an instant, nearest first; one row without a level if there are none.
//
// mode:    read
// params:  $promoter_id  string   whose upline
//          $at           integer  microseconds
// returns: promoter_id string?, level integer?
// cost:    one index seek, then at most three hops
// sample:  {"promoter_id": "prm_demo", "at": 5}
MATCH (promoter:User {promoter_id: $promoter_id})
OPTIONAL MATCH path = (promoter)<-[bindings:INVITED|INVITED_UNTIL*1..3]-(ancestor:User)
WHERE all(binding IN bindings
  WHERE binding.valid_from <= $at AND (binding.valid_to IS NULL OR binding.valid_to > $at))
RETURN ancestor.promoter_id AS promoter_id, length(path) AS level
ORDER BY level LIMIT 3
