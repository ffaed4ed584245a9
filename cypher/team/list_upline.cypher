// List the promoters above one promoter as of an instant, nearest first, in one record.
//
// mode:    read
// params:  $promoter_id  string   whose upline
//          $at           integer  microseconds
// returns: level_1 string?, level_2 string?, level_3 string?
// cost:    one index seek, then at most three hops
// sample:  {"promoter_id": "prm_demo", "at": 5}
MATCH (promoter:User {promoter_id: $promoter_id})
OPTIONAL MATCH (promoter)<-[first:INVITED|INVITED_UNTIL]-(inviter:User)
WHERE first.valid_from <= $at AND (first.valid_to IS NULL OR first.valid_to > $at)
OPTIONAL MATCH (inviter)<-[second:INVITED|INVITED_UNTIL]-(grand_inviter:User)
WHERE second.valid_from <= $at AND (second.valid_to IS NULL OR second.valid_to > $at)
OPTIONAL MATCH (grand_inviter)<-[third:INVITED|INVITED_UNTIL]-(top:User)
WHERE third.valid_from <= $at AND (third.valid_to IS NULL OR third.valid_to > $at)
RETURN inviter.promoter_id AS level_1, grand_inviter.promoter_id AS level_2, top.promoter_id AS level_3
