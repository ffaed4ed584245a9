// Read everything about some orders, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  ids of orders, some thousands
// returns: found list
// cost:    one index seek and two hops each; an item is [order_id, placed_at, buyers, credits]
// sample:  {"ids": ["ord_demo"]}
UNWIND $ids AS id
MATCH (placed:Order {id: id})
RETURN collect([id, placed.placed_at,
  [(placed)<-[:PLACED]-(buyer:User) | buyer.id],
  [(placed)-[credit:CREDITED_TO]->(promoter:User) | [promoter.promoter_id, credit.model, credit.reason]]
]) AS found
