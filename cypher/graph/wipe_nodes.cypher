// Delete up to a number of nodes with all their relations, but for the graph's own state.
//
// mode:    write
// params:  $count  integer  1..10000
// returns: wiped integer
// cost:    the nodes deleted
// sample:  {"count": 10}
// scans:   a rebuild deletes everything
MATCH (node)
WHERE NOT node:Migration AND NOT node:State
WITH node LIMIT $count
DETACH DELETE node
RETURN count(*) AS wiped
