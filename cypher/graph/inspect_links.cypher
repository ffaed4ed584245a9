// Read everything about some links, for the comparison with the journal.
//
// mode:    read
// params:  $ids  list  codes, some thousands
// returns: found list
// cost:    one index seek and one hop each; an item is [code, promoters]
// sample:  {"ids": ["c0de"]}
UNWIND $ids AS id
MATCH (link:Link {code: id})
RETURN collect([id, [(link)<-[:SHARED]-(promoter:User) | promoter.promoter_id]]) AS found
