// Say which promoters orders were attributed to, and why.
//
// mode:    write
// params:  $rows  list  of {id, promoter_id, model, reason}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"id": "ord_demo", "promoter_id": "prm_demo", "model": "last", "reason": "touch"}]}
UNWIND $rows AS row
MATCH (placed:Order {id: row.id})
MATCH (promoter:User {promoter_id: row.promoter_id})
CREATE (placed)-[credit:CREDITED_TO {model: row.model, reason: row.reason}]->(promoter)
RETURN count(credit) AS written
