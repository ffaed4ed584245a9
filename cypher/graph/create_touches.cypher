// Add touches of links.
//
// mode:    write
// params:  $rows  list  of {id, code, at, no, depth}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"id": "tch_demo", "code": "c0de", "at": 1, "no": 3, "depth": 0}]}
UNWIND $rows AS row
MATCH (link:Link {code: row.code})
CREATE (touch:Touch {id: row.id, at: row.at, no: row.no, depth: row.depth})-[:OPENED]->(link)
RETURN count(touch) AS written
