// Add bindings that no longer hold.
//
// mode:    write
// params:  $rows  list  of {inviter_id, promoter_id, binding_id, binding_no, valid_from, valid_to}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"inviter_id": "prm_top", "promoter_id": "prm_demo", "binding_id": "bnd_demo", "binding_no": 2, "valid_from": 1, "valid_to": 2}]}
UNWIND $rows AS row
MATCH (inviter:User {promoter_id: row.inviter_id})
MATCH (promoter:User {promoter_id: row.promoter_id})
CREATE (inviter)-[binding:INVITED_UNTIL {
  binding_id: row.binding_id, binding_no: row.binding_no, valid_from: row.valid_from, valid_to: row.valid_to
}]->(promoter)
RETURN count(binding) AS written
