// Lock the graph for one writer until its transaction ends, and tell whether the content is whole.
//
// mode:    write
// params:  none
// returns: ready boolean
// cost:    one index seek
// sample:  {}
MATCH (state:State {id: 1})
SET state.turn = state.turn + 1
RETURN state.ready AS ready
