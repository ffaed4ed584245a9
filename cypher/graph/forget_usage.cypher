// Forget which identifiers some people used, and say which those were.
//
// mode:    write
// params:  $ids  list  external ids
// returns: keys list
// cost:    one index seek and the identifiers of each
// sample:  {"ids": ["buyer-1"]}
UNWIND $ids AS id
MATCH (user:User {id: id})-[used:USED]->(identifier:Identifier)
WITH used, identifier.key AS key
DELETE used
RETURN collect(DISTINCT key) AS keys
