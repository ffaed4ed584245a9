// Close the living binding of one promoter at an instant and keep it as history.
//
// mode:    write
// params:  $promoter_id  string   who leaves
//          $valid_to     integer  microseconds; the first instant at which the binding no longer holds
// returns: written integer
// cost:    one index seek and one hop
// sample:  {"promoter_id": "prm_demo", "valid_to": 2}
MATCH (promoter:User {promoter_id: $promoter_id})<-[binding:INVITED]-(inviter:User)
CREATE (inviter)-[closed:INVITED_UNTIL {
  binding_id: binding.binding_id, binding_no: binding.binding_no, valid_from: binding.valid_from, valid_to: $valid_to
}]->(promoter)
DELETE binding
RETURN count(closed) AS written
