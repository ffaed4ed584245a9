// List the identifiers that some persons used.
//
// mode:    read
// params:  $person_ids  list  persons, some hundreds
// returns: found list
// cost:    one index seek each and the identifiers of one person; an item is [person, keys]
// sample:  {"person_ids": ["buyer-1"]}
UNWIND $person_ids AS person_id
MATCH (person:User {id: person_id})
RETURN collect([person_id, [(person)-[:USED]->(identifier) | identifier.key]]) AS found
