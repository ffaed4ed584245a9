// Promoters whose direct team grew fast: invitations within a window.
// 短时间内直推人数骤增的推客。
//
// params:  $from     integer  0  start of the window, in microseconds since 1970-01-01 UTC
//          $to       integer  4102444800000000  end of the window, excluded
//          $minimum  integer  10  at least this many invitations
// returns: promoter_id string, joined integer, first_at integer, last_at integer
MATCH (p:User)-[binding:INVITED]->(member:User)
WHERE binding.valid_from >= $from AND binding.valid_from < $to
WITH p, count(member) AS joined, min(binding.valid_from) AS first_at, max(binding.valid_from) AS last_at
WHERE joined >= $minimum
RETURN p.promoter_id AS promoter_id, joined, first_at, last_at ORDER BY joined DESC, promoter_id LIMIT 500
