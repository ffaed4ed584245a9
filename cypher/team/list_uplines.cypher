// List the promoters above each of many promoters as of an instant, in one record.
//
// mode:    read
// params:  $promoter_ids  list     whose uplines, at most some thousands
//          $at            integer  microseconds
// returns: uplines list
// cost:    one index seek and at most three hops each; an item is [promoter_id, level 1, level 2, level 3]
// sample:  {"promoter_ids": ["prm_demo", "prm_top"], "at": 5}
UNWIND $promoter_ids AS promoter_id
MATCH (promoter:User {promoter_id: promoter_id})
OPTIONAL MATCH (promoter)<-[first:INVITED|INVITED_UNTIL]-(inviter:User)
WHERE first.valid_from <= $at AND (first.valid_to IS NULL OR first.valid_to > $at)
OPTIONAL MATCH (inviter)<-[second:INVITED|INVITED_UNTIL]-(grand_inviter:User)
WHERE second.valid_from <= $at AND (second.valid_to IS NULL OR second.valid_to > $at)
OPTIONAL MATCH (grand_inviter)<-[third:INVITED|INVITED_UNTIL]-(top:User)
WHERE third.valid_from <= $at AND (third.valid_to IS NULL OR third.valid_to > $at)
RETURN collect([promoter_id, inviter.promoter_id, grand_inviter.promoter_id, top.promoter_id]) AS uplines
