// Set how often and when people used identifiers.
//
// mode:    write
// params:  $rows  list  of {account, key, first_at, last_at, times}
// returns: written integer
// cost:    two index seeks each and the identifiers of one person
// sample:  {"rows": [{"account": "buyer-1", "key": "device:00ff", "first_at": 1, "last_at": 2, "times": 2}]}
UNWIND $rows AS row
MERGE (user:User {id: row.account})
WITH user, row
MATCH (identifier:Identifier {key: row.key})
MERGE (user)-[used:USED]->(identifier)
SET used.first_at = row.first_at, used.last_at = row.last_at, used.times = row.times
RETURN count(used) AS written
