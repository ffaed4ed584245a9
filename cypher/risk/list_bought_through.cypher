// List through whom some persons bought: one step of following purchases.
//
// mode:    read
// params:  $person_ids  list     the persons to start from, some tens
//          $since       integer  microseconds; earlier orders do not count
//          $most        integer  orders looked at for one person
// returns: found list
// cost:    one index seek and at most $most orders each; an item is [person, those through whom the person bought]
// sample:  {"person_ids": ["buyer-1"], "since": 0, "most": 100}
UNWIND $person_ids AS person_id
MATCH (person:User {id: person_id})
CALL (person) {
  MATCH (person)-[:PLACED]->(order:Order)
  WHERE order.placed_at >= $since
  WITH order LIMIT $most
  MATCH (order)-[:CREDITED_TO]->(promoter:User)
  RETURN collect(DISTINCT promoter.id) AS through
}
RETURN collect([person_id, through]) AS found
