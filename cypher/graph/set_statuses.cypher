// Set the status of some promoters.
//
// mode:    write
// params:  $rows  list  of {promoter_id, status}
// returns: written integer
// cost:    one index seek each
// sample:  {"rows": [{"promoter_id": "prm_demo", "status": "suspended"}]}
UNWIND $rows AS row
MATCH (promoter:User {promoter_id: row.promoter_id})
SET promoter.status = row.status
RETURN count(promoter) AS written
