// Give the members one step below a moved promoter their seats under its new ancestors, in the order they sat.
//
// mode:    write
// params:  $promoter_id  string   who moved
//          $base_2       integer  seat before the first under the inviter, or null
//          $base_3       integer  seat before the first under the inviter's inviter, or null
// returns: written integer
// cost:    the members one step below
// sample:  {"promoter_id": "prm_demo", "base_2": 268435456, "base_3": null}
MATCH (:User {promoter_id: $promoter_id})-[:INVITED]->(member:User)
WITH member ORDER BY member.seat_1
WITH collect(member) AS members
UNWIND range(1, size(members)) AS ordinal
WITH members[ordinal - 1] AS member, ordinal
SET member.seat_2 = $base_2 + ordinal, member.seat_3 = $base_3 + ordinal
RETURN count(member) AS written
