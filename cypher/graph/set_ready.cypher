// Say whether the graph's content is whole.
//
// mode:    write
// params:  $ready  boolean  false while a rebuild runs
// returns: written integer
// cost:    one index seek
// sample:  {"ready": true}
MERGE (state:State {id: 1})
SET state.ready = $ready, state.turn = coalesce(state.turn, 0) + 1
RETURN count(state) AS written
