// List the promoters above one promoter in the living tree, nearest first, in one record.
//
// mode:    read
// params:  $promoter_id  string  whose upline
// returns: level_1 string?, level_2 string?, level_3 string?
// cost:    one index seek, then at most three hops over living bindings only
// sample:  {"promoter_id": "prm_demo"}
MATCH (promoter:User {promoter_id: $promoter_id})
OPTIONAL MATCH (promoter)<-[:INVITED]-(inviter:User)
OPTIONAL MATCH (inviter)<-[:INVITED]-(grand_inviter:User)
OPTIONAL MATCH (grand_inviter)<-[:INVITED]-(top:User)
RETURN inviter.promoter_id AS level_1, grand_inviter.promoter_id AS level_2, top.promoter_id AS level_3
