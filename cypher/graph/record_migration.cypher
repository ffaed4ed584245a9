// Remember that a schema migration was applied.
//
// mode:    write
// params:  $version  integer  number in the file's name
// returns: version integer
// cost:    one index seek
// sample:  {"version": 1}
MERGE (migration:Migration {version: $version})
RETURN migration.version AS version
