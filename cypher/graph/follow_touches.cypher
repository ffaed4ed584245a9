// Say which touches were re-shares of which.
//
// mode:    write
// params:  $rows  list  of {id, parent_id}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"id": "tch_demo", "parent_id": "tch_parent"}]}
UNWIND $rows AS row
MATCH (touch:Touch {id: row.id})
MATCH (parent:Touch {id: row.parent_id})
CREATE (touch)-[followed:FOLLOWED]->(parent)
RETURN count(followed) AS written
