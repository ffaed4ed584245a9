// Find which people are in the graph already, and which of them are promoters.
//
// mode:    read
// params:  $ids  list  external ids of people
// returns: id string, promoter_id string?
// cost:    one index seek each
// sample:  {"ids": ["buyer-1", "buyer-2"]}
UNWIND $ids AS id
MATCH (user:User {id: id})
RETURN user.id AS id, user.promoter_id AS promoter_id
