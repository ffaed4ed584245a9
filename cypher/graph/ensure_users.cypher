// Add people who are not in the graph yet.
//
// mode:    write
// params:  $rows  list  of {id}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"id": "buyer-1"}]}
UNWIND $rows AS row
MERGE (user:User {id: row.id})
RETURN count(user) AS written
