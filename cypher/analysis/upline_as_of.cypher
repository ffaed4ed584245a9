// Who had invited whom as of then: the upline of a promoter at an instant.
// 某一时刻某推客的上级链。
//
// params:  $promoter_id  string  "prm_none"  the promoter at the bottom
//          $at           integer  4102444800000000  the instant, in microseconds since 1970-01-01 UTC
// returns: promoter_id string, level integer, valid_from integer
MATCH path = (:User {promoter_id: $promoter_id})<-[bindings:INVITED|INVITED_UNTIL*1..6]-(above:User)
WHERE all(b IN relationships(path) WHERE b.valid_from <= $at AND (b.valid_to IS NULL OR b.valid_to > $at))
RETURN above.promoter_id AS promoter_id, length(path) AS level, last(relationships(path)).valid_from AS valid_from
ORDER BY level LIMIT 50
