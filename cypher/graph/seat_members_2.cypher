// Give the members two steps below a moved promoter their seats under its new inviter, in the order they sat.
//
// mode:    write
// params:  $promoter_id  string   who moved
//          $base_3       integer  seat before the first under the inviter, or null
// returns: written integer
// cost:    the members two steps below
// sample:  {"promoter_id": "prm_demo", "base_3": 268435456}
MATCH (:User {promoter_id: $promoter_id})-[:INVITED]->(:User)-[:INVITED]->(member:User)
WITH member ORDER BY member.seat_2
WITH collect(member) AS members
UNWIND range(1, size(members)) AS ordinal
WITH members[ordinal - 1] AS member, ordinal
SET member.seat_3 = $base_3 + ordinal
RETURN count(member) AS written
