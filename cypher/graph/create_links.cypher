// Add links that promoters share.
//
// mode:    write
// params:  $rows  list  of {code, promoter_id}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"code": "c0de", "promoter_id": "prm_demo"}]}
UNWIND $rows AS row
MATCH (promoter:User {promoter_id: row.promoter_id})
CREATE (promoter)-[:SHARED]->(link:Link {code: row.code})
RETURN count(link) AS written
