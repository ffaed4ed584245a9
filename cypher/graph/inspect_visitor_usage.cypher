// Read which identifiers some visitors used, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  ids of visitors, some thousands
// returns: found list
// cost:    one index seek and the identifiers of each; an item is [id, uses]
// sample:  {"ids": ["vis-1"]}
UNWIND $ids AS id
MATCH (visitor:Visitor {id: id})
RETURN collect([id, [(visitor)-[used:USED]->(identifier:Identifier) |
  [identifier.key, identifier.kind, identifier.digest, used.first_at, used.last_at, used.times]]]) AS found
