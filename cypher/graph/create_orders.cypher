// Add orders below the people who placed them; people who are not in the graph yet are added.
//
// mode:    write
// params:  $rows  list  of {id, buyer_id, placed_at}
// returns: written integer
// cost:    two index seeks each
// sample:  {"rows": [{"id": "ord_demo", "buyer_id": "buyer-1", "placed_at": 4}]}
UNWIND $rows AS row
MERGE (buyer:User {id: row.buyer_id})
WITH buyer, row
CREATE (buyer)-[:PLACED]->(placed:Order {id: row.id, placed_at: row.placed_at})
RETURN count(placed) AS written
