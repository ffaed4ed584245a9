// Find the touch that decides whom an order belongs to, with its promoter and two more levels as of the order.
//
// mode:    read
// params:  $buyer_id    string   who ordered
//          $visitor_id  string   the browser the order came from, or empty
//          $touch_id    string   a touch that the order names, or empty
//          $placed_at   integer  microseconds; the order's instant
//          $since       integer  microseconds; only later touches still hold
//          $sign        integer  -1 for the newest touch, 1 for the oldest
// returns: touch_id string, at integer, promoter_1 string, user_1 string, status_1 string,
//          promoter_2 string?, user_2 string?, status_2 string?, promoter_3 string?, user_3 string?, status_3 string?
// cost:    three index seeks, the touches of one buyer and one visitor, then at most four hops
// sample:  {"buyer_id": "buyer-1", "visitor_id": "", "touch_id": "", "placed_at": 4, "since": 0, "sign": -1}
CALL () {
  MATCH (:User {id: $buyer_id})-[:MADE]->(touch:Touch)
  WHERE touch.at <= $placed_at AND touch.at > $since
  RETURN touch
  UNION
  MATCH (:Visitor {id: $visitor_id})-[:MADE]->(touch:Touch)
  WHERE touch.at <= $placed_at AND touch.at > $since
  RETURN touch
  UNION
  MATCH (touch:Touch {id: $touch_id})
  WHERE touch.at <= $placed_at AND touch.at > $since
  RETURN touch
}
WITH touch ORDER BY $sign * touch.at, $sign * touch.no LIMIT 1
MATCH (touch)-[:OPENED]->(:Link)<-[:SHARED]-(promoter:User)
OPTIONAL MATCH (promoter)<-[binding:INVITED|INVITED_UNTIL]-(inviter:User)
WHERE binding.valid_from <= $placed_at AND (binding.valid_to IS NULL OR binding.valid_to > $placed_at)
OPTIONAL MATCH (inviter)<-[upper:INVITED|INVITED_UNTIL]-(grand_inviter:User)
WHERE upper.valid_from <= $placed_at AND (upper.valid_to IS NULL OR upper.valid_to > $placed_at)
RETURN touch.id AS touch_id, touch.at AS at,
  promoter.promoter_id AS promoter_1, promoter.id AS user_1, promoter.status AS status_1,
  inviter.promoter_id AS promoter_2, inviter.id AS user_2, inviter.status AS status_2,
  grand_inviter.promoter_id AS promoter_3, grand_inviter.id AS user_3, grand_inviter.status AS status_3
