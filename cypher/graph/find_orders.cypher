// Find which orders are in the graph already.
//
// mode:    read
// params:  $ids  list  ids of orders
// returns: id string
// cost:    one index seek each
// sample:  {"ids": ["ord_demo"]}
UNWIND $ids AS id
MATCH (placed:Order {id: id})
RETURN placed.id AS id
