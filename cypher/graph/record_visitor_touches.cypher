// Say which touches were made by which visitors; visitors who are not in the graph yet are added.
//
// mode:    write
// params:  $rows  list  of {id, touch_id}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"id": "vis-1", "touch_id": "tch_demo"}]}
UNWIND $rows AS row
MERGE (visitor:Visitor {id: row.id})
WITH visitor, row
MATCH (touch:Touch {id: row.touch_id})
MERGE (touch)<-[made:MADE]-(visitor)
RETURN count(made) AS written
