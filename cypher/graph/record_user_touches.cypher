// Say which touches were made by which people; people who are not in the graph yet are added.
//
// mode:    write
// params:  $rows  list  of {id, touch_id}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"id": "buyer-1", "touch_id": "tch_demo"}]}
UNWIND $rows AS row
MERGE (user:User {id: row.id})
WITH user, row
MATCH (touch:Touch {id: row.touch_id})
MERGE (touch)<-[made:MADE]-(user)
RETURN count(made) AS written
