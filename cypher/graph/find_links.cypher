// Find which links are in the graph already.
//
// mode:    read
// params:  $ids  list  codes of links
// returns: id string
// cost:    one index seek each
// sample:  {"ids": ["c0de"]}
UNWIND $ids AS id
MATCH (link:Link {code: id})
RETURN link.code AS id
