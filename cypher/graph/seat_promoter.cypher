// Give one moved promoter its seats under its new ancestors.
//
// mode:    write
// params:  $promoter_id  string   who moved
//          $binding_no   integer  journal seq of the move
//          $joined_at    integer  microseconds; since when the new binding holds
//          $seat_1       integer  seat under the inviter, or null
//          $seat_2       integer  seat under the inviter's inviter, or null
//          $seat_3       integer  seat under the third ancestor, or null
// returns: written integer
// cost:    one index seek
// sample:  {"promoter_id": "prm_demo", "binding_no": 9, "joined_at": 2, "seat_1": 268435457, "seat_2": null, "seat_3": null}
MATCH (promoter:User {promoter_id: $promoter_id})
SET promoter.binding_no = $binding_no, promoter.joined_at = $joined_at,
  promoter.seat_1 = $seat_1, promoter.seat_2 = $seat_2, promoter.seat_3 = $seat_3
RETURN count(promoter) AS written
