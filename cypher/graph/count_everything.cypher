// Count the nodes and relations of every kind.
//
// mode:    read
// params:  none
// returns: users integer, visitors integer, promoters integer, bindings integer, closed_bindings integer,
//          links integer, shared integer, touches integer, opened integer, made integer, followed integer,
//          orders integer, placed integer, credits integer, used integer
// cost:    every node and relation
// sample:  {}
// scans:   counts everything
RETURN COUNT { MATCH (user:User) } AS users,
  COUNT { MATCH (visitor:Visitor) } AS visitors,
  COUNT { MATCH (promoter:User) WHERE promoter.promoter_id IS NOT NULL } AS promoters,
  COUNT { MATCH ()-[binding:INVITED]->() } AS bindings,
  COUNT { MATCH ()-[binding:INVITED_UNTIL]->() } AS closed_bindings,
  COUNT { MATCH (link:Link) } AS links,
  COUNT { MATCH ()-[shared:SHARED]->() } AS shared,
  COUNT { MATCH (touch:Touch) } AS touches,
  COUNT { MATCH ()-[opened:OPENED]->() } AS opened,
  COUNT { MATCH ()-[made:MADE]->() } AS made,
  COUNT { MATCH ()-[followed:FOLLOWED]->() } AS followed,
  COUNT { MATCH (placed:Order) } AS orders,
  COUNT { MATCH ()-[placed:PLACED]->() } AS placed,
  COUNT { MATCH ()-[credit:CREDITED_TO]->() } AS credits,
  COUNT { MATCH ()-[used:USED]->() } AS used
