// List the promoters above each of many promoters as of an instant, in one record.
//
// mode:    read
// params:  $promoter_ids  list     whose uplines, at most some thousands
//          $at            integer  microseconds
// returns: uplines list
// cost:    one index seek and at most three hops each; an item is [index in promoter_ids, promoter_id, level]
// sample:  {"promoter_ids": ["prm_demo", "prm_top"], "at": 5}
UNWIND range(0, size($promoter_ids) - 1) AS place
WITH place, $promoter_ids[place] AS promoter_id
MATCH path = (promoter:User {promoter_id: promoter_id})<-[bindings:INVITED|INVITED_UNTIL*1..3]-(ancestor:User)
WHERE all(binding IN bindings
  WHERE binding.valid_from <= $at AND (binding.valid_to IS NULL OR binding.valid_to > $at))
RETURN collect([place, ancestor.promoter_id, length(path)]) AS uplines
