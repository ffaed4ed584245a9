// Find which touches are in the graph already.
//
// mode:    read
// params:  $ids  list  ids of touches
// returns: id string
// cost:    one index seek each
// sample:  {"ids": ["tch_demo"]}
UNWIND $ids AS id
MATCH (touch:Touch {id: id})
RETURN touch.id AS id
