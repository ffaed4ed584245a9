// Delete those of some identifiers that nobody used.
//
// mode:    write
// params:  $keys  list  keys of identifiers
// returns: dropped integer
// cost:    one index seek each
// sample:  {"keys": ["device:00ff"]}
UNWIND $keys AS key
MATCH (identifier:Identifier {key: key})
WHERE NOT EXISTS { (identifier)<-[:USED]-() }
DELETE identifier
RETURN count(*) AS dropped
