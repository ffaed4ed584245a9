// List through whom some persons bought, three steps far, and who stands above the buyers among them.
//
// mode:    read
// params:  $buyer_ids   list     promoters who buy, whose uplines are asked for, at least one
//          $person_ids  list     persons whose purchases are followed, at least one
//          $steps       integer  how far they are followed, 1 to 3
//          $since       integer  microseconds; earlier orders do not count
//          $most        integer  orders looked at for one person
//          $widest      integer  persons looked at in one step
//          $nobody      string   an id of nobody, who is followed where there is nobody to follow
// returns: above list, first list, second list, third list
// cost:    one index seek for each person, at most $most orders each, three hops for each buyer; an item of `above` is
//          [buyer, promoters above], of the others [person, persons it bought through]
// sample:  {"buyer_ids": ["buyer-1"], "person_ids": ["buyer-1"], "steps": 3, "since": 0, "most": 100, "widest": 200, "nobody": ""}
UNWIND $buyer_ids AS buyer_id
OPTIONAL MATCH (buyer:User {id: buyer_id})
OPTIONAL MATCH (buyer)<-[:INVITED]-(inviter:User)
OPTIONAL MATCH (inviter)<-[:INVITED]-(grand_inviter:User)
OPTIONAL MATCH (grand_inviter)<-[:INVITED]-(top:User)
WITH collect([buyer_id, [inviter.promoter_id, grand_inviter.promoter_id, top.promoter_id]]) AS above
UNWIND $person_ids AS person_id
OPTIONAL MATCH (person:User {id: person_id})
CALL (person) {
  MATCH (person)-[:PLACED]->(order:Order)
  WHERE order.placed_at >= $since
  WITH order LIMIT $most
  MATCH (order)-[:CREDITED_TO]->(promoter:User)
  RETURN collect(DISTINCT promoter.id) AS through
}
WITH above, collect([person_id, through]) AS first, reduce(all = [], some IN collect(through) | all + some) AS next
UNWIND CASE WHEN $steps < 2 OR size(next) = 0 THEN [$nobody] ELSE next END AS person_id
WITH DISTINCT above, first, person_id LIMIT $widest
OPTIONAL MATCH (person:User {id: person_id})
CALL (person) {
  MATCH (person)-[:PLACED]->(order:Order)
  WHERE order.placed_at >= $since
  WITH order LIMIT $most
  MATCH (order)-[:CREDITED_TO]->(promoter:User)
  RETURN collect(DISTINCT promoter.id) AS through
}
WITH above, first, collect([person_id, through]) AS second,
     reduce(all = [], some IN collect(through) | all + some) AS next
UNWIND CASE WHEN $steps < 3 OR size(next) = 0 THEN [$nobody] ELSE next END AS person_id
WITH DISTINCT above, first, second, person_id LIMIT $widest
OPTIONAL MATCH (person:User {id: person_id})
CALL (person) {
  MATCH (person)-[:PLACED]->(order:Order)
  WHERE order.placed_at >= $since
  WITH order LIMIT $most
  MATCH (order)-[:CREDITED_TO]->(promoter:User)
  RETURN collect(DISTINCT promoter.id) AS through
}
RETURN above AS above, first AS first, second AS second, collect([person_id, through]) AS third
