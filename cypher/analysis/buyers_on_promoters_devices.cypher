// Orders whose buyer shares a device or address with the promoter who was credited.
// 买家与被归因的推客共用设备或地址的订单。
//
// params:  $kind      string   "device"  kind of identifier
//          $users_max  integer  5  leave out what more people than this used
// returns: promoter_id string, buyer_id string, orders integer, shared integer
MATCH (buyer:User)-[:PLACED]->(o:Order)-[:CREDITED_TO]->(promoter:User)
WHERE buyer.id <> promoter.id
WITH buyer, promoter, count(o) AS orders
MATCH (buyer)-[:USED]->(i:Identifier)<-[:USED]-(promoter)
WHERE i.kind = $kind AND COUNT { (i)<-[:USED]-(:User) } <= $users_max
RETURN promoter.promoter_id AS promoter_id, buyer.id AS buyer_id, orders, count(i) AS shared
ORDER BY orders DESC, promoter_id, buyer_id LIMIT 500
