// Read everything about some promoters and their bindings, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  promoters, some thousands
// returns: found list
// cost:    one index seek and the bindings of each; an item is [promoter_id, person, counters, seats, living, closed]
// sample:  {"ids": ["prm_demo"]}
UNWIND $ids AS id
MATCH (promoter:User {promoter_id: id})
RETURN collect([id,
  [promoter.id, promoter.promoter_no, promoter.binding_no, promoter.joined_at, promoter.status],
  [promoter.team_1, promoter.team_2, promoter.team_3, promoter.seats_1, promoter.seats_2, promoter.seats_3],
  [promoter.seat_1, promoter.seat_2, promoter.seat_3],
  [(promoter)<-[binding:INVITED]-(inviter:User) |
    [inviter.promoter_id, binding.binding_id, binding.binding_no, binding.valid_from]],
  [(promoter)<-[binding:INVITED_UNTIL]-(inviter:User) |
    [inviter.promoter_id, binding.binding_id, binding.binding_no, binding.valid_from, binding.valid_to]]
]) AS found
