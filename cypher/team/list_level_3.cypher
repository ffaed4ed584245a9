// List the members three steps below one promoter who hold the seats behind a position, in one record.
//
// mode:    read
// params:  $promoter_id  string   top of the team
//          $after        integer  ordinal of the last seat already seen, 0 at the start
//          $window       integer  1..2000, how many seats to look at
//          $seat_width   integer  seats one promoter can give out per level
// returns: seats integer, members list
// cost:    one index seek for each seat of the window; an item is [ordinal, promoter_id, joined_at, team_size]
// sample:  {"promoter_id": "prm_demo", "after": 0, "window": 3, "seat_width": 268435456}
MATCH (top:User {promoter_id: $promoter_id})
UNWIND range($after + 1, $after + $window) AS ordinal
OPTIONAL MATCH (member:User {seat_3: top.promoter_no * $seat_width + ordinal})
RETURN top.seats_3 AS seats, collect(CASE WHEN member IS NULL THEN null ELSE
  [ordinal, member.promoter_id, member.joined_at, member.team_1 + member.team_2 + member.team_3] END) AS members
