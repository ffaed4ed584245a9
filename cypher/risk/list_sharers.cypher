// List everybody who used some identifiers, up to a bound: people with the promoter that each is known as, and browsers.
//
// mode:    read
// params:  $keys  list     identifiers, some hundreds
//          $most  integer  where listing ends: an identifier with so many persons is a place
// returns: found list
// cost:    one index seek and at most $most users and browsers each; an item is [key, persons, visitors], a person
//          [id, promoter or null]
// sample:  {"keys": ["device:00ff"], "most": 13}
UNWIND $keys AS key
MATCH (identifier:Identifier {key: key})
CALL (identifier) {
  MATCH (identifier)<-[:USED]-(person:User)
  WITH person LIMIT $most
  RETURN collect([person.id, person.promoter_id]) AS persons
}
CALL (identifier) {
  MATCH (identifier)<-[:USED]-(visitor:Visitor)
  WITH visitor LIMIT $most
  RETURN collect(visitor.id) AS visitors
}
RETURN collect([key, persons, visitors]) AS found
