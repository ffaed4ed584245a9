// Count the persons who used some identifiers, up to a bound.
//
// mode:    read
// params:  $keys  list     identifiers, some hundreds
//          $most  integer  where counting ends
// returns: key string, users integer
// cost:    one index seek and at most $most users each
// sample:  {"keys": ["device:00ff"], "most": 51}
UNWIND $keys AS key
MATCH (identifier:Identifier {key: key})
CALL (identifier) {
  MATCH (identifier)<-[:USED]-(person:User)
  WITH person LIMIT $most
  RETURN count(person) AS users
}
RETURN key AS key, users AS users
