// List the schema migrations that were applied.
//
// mode:    read
// params:  none
// returns: version integer
// cost:    the few nodes of one label
// sample:  {}
// scans:   a handful of nodes
MATCH (migration:Migration)
RETURN migration.version AS version ORDER BY version LIMIT 1000
