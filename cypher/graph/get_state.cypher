// Tell whether the graph's content is whole, so that what is read from it may be believed, and how often it was written to.
//
// mode:    read
// params:  none
// returns: ready boolean, turn integer
// cost:    one index seek
// sample:  {}
MATCH (state:State {id: 1})
RETURN state.ready AS ready, state.turn AS turn
