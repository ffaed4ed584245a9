// List the touches from one up its share path, nearest first.
//
// mode:    read
// params:  $touch_id  string  where the path starts
// returns: touch_id string, depth integer, at integer, promoter_id string, code string
// cost:    one index seek, then at most 200 hops along one path
// sample:  {"touch_id": "tch_demo"}
MATCH path = (:Touch {id: $touch_id})-[:FOLLOWED*0..200]->(touch:Touch)
MATCH (touch)-[:OPENED]->(link:Link)<-[:SHARED]-(promoter:User)
RETURN touch.id AS touch_id, touch.depth AS depth, touch.at AS at, promoter.promoter_id AS promoter_id, link.code AS code
ORDER BY length(path) LIMIT 201
