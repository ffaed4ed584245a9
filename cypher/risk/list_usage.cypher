// List which identifiers some persons used, and as which promoter the person is known.
//
// mode:    read
// params:  $person_ids  list  persons, a thousand or so
// returns: found list
// cost:    one index seek and the identifiers of each; an item is [person, promoter, uses], a use [kind, digest, last_at]
// sample:  {"person_ids": ["buyer-1"]}
UNWIND $person_ids AS person_id
MATCH (person:User {id: person_id})
RETURN collect([person_id, person.promoter_id, [(person)-[used:USED]->(identifier:Identifier) |
  [identifier.kind, identifier.digest, used.last_at]]]) AS found
