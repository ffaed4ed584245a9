// Read everything about some touches, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  ids of touches, some thousands
// returns: found list
// cost:    one index seek and a few hops each; an item is [touch_id, properties, codes, parents, users, visitors]
// sample:  {"ids": ["tch_demo"]}
UNWIND $ids AS id
MATCH (touch:Touch {id: id})
RETURN collect([id, [touch.at, touch.no, touch.depth],
  [(touch)-[:OPENED]->(link:Link) | link.code],
  [(touch)-[:FOLLOWED]->(parent:Touch) | parent.id],
  [(touch)<-[:MADE]-(user:User) | user.id],
  [(touch)<-[:MADE]-(visitor:Visitor) | visitor.id]
]) AS found
