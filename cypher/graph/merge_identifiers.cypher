// Add identifiers that are not in the graph yet.
//
// mode:    write
// params:  $rows  list  of {key, kind, digest}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"key": "device:00ff", "kind": "device", "digest": "00ff"}]}
UNWIND $rows AS row
MERGE (identifier:Identifier {key: row.key})
ON CREATE SET identifier.kind = row.kind, identifier.digest = row.digest
RETURN count(identifier) AS written
