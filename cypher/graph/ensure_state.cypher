// Add the one node that says whether the graph's content is whole, as a graph that nobody wrote to yet.
//
// mode:    write
// params:  none
// returns: written integer
// cost:    one index seek
// sample:  {}
MERGE (state:State {id: 1})
ON CREATE SET state.ready = true, state.turn = 0
RETURN count(state) AS written
