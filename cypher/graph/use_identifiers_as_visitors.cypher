// Set how often and when visitors used identifiers.
//
// mode:    write
// params:  $rows  list  of {account, key, first_at, last_at, times}
// returns: written integer
// cost:    two index seeks each and the identifiers of one visitor
// sample:  {"rows": [{"account": "vis-1", "key": "device:00ff", "first_at": 1, "last_at": 2, "times": 2}]}
UNWIND $rows AS row
MERGE (visitor:Visitor {id: row.account})
WITH visitor, row
MATCH (identifier:Identifier {key: row.key})
MERGE (visitor)-[used:USED]->(identifier)
SET used.first_at = row.first_at, used.last_at = row.last_at, used.times = row.times
RETURN count(used) AS written
