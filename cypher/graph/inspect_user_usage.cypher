// Read which identifiers some people used, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  external ids, some thousands
// returns: found list
// cost:    one index seek and the identifiers of each; an item is [id, uses]
// sample:  {"ids": ["buyer-1"]}
UNWIND $ids AS id
MATCH (user:User {id: id})
RETURN collect([id, [(user)-[used:USED]->(identifier:Identifier) |
  [identifier.key, identifier.kind, identifier.digest, used.first_at, used.last_at, used.times]]]) AS found
