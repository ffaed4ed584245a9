// List the promoters above each of many promoters in the living tree, in one record.
//
// mode:    read
// params:  $promoter_ids  list  whose uplines, at most some thousands
// returns: uplines list
// cost:    one index seek and at most three hops each; an item is [promoter_id, level 1, level 2, level 3]
// sample:  {"promoter_ids": ["prm_demo", "prm_top"]}
UNWIND $promoter_ids AS promoter_id
MATCH (promoter:User {promoter_id: promoter_id})
OPTIONAL MATCH (promoter)<-[:INVITED]-(inviter:User)
OPTIONAL MATCH (inviter)<-[:INVITED]-(grand_inviter:User)
OPTIONAL MATCH (grand_inviter)<-[:INVITED]-(top:User)
RETURN collect([promoter_id, inviter.promoter_id, grand_inviter.promoter_id, top.promoter_id]) AS uplines
