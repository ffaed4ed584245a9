// List the identifiers that some persons used.
//
// mode:    read
// params:  $person_ids  list  persons, some hundreds
// returns: found list
// cost:    one index seek each and the identifiers of one person; an item is [person, key]
// sample:  {"person_ids": ["buyer-1"]}
UNWIND $person_ids AS person_id
MATCH (:User {id: person_id})-[:USED]->(identifier:Identifier)
RETURN collect([person_id, identifier.key]) AS found
