// Get the present inviter of one promoter.
//
// mode:    read
// params:  $promoter_id  string  whose inviter
// returns: inviter_id string?
// cost:    one index seek and one hop
// sample:  {"promoter_id": "prm_demo"}
MATCH (promoter:User {promoter_id: $promoter_id})
OPTIONAL MATCH (promoter)<-[:INVITED]-(inviter:User)
RETURN inviter.promoter_id AS inviter_id
