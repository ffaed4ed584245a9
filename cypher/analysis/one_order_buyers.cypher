// Promoters whose buyers mostly ordered once and never again.
// 买家大多只下一单的推客。
//
// params:  $minimum  integer  10  at least this many buyers
//          $share    number   0.8  at least this share of them ordered once
// returns: promoter_id string, buyers integer, once integer, share number
MATCH (p:User)<-[:CREDITED_TO]-(o:Order)<-[:PLACED]-(buyer:User)
WHERE buyer.id <> p.id
WITH DISTINCT p, buyer
WITH p, buyer, COUNT { (buyer)-[:PLACED]->(:Order) } AS orders
WITH p, count(buyer) AS buyers, sum(CASE WHEN orders = 1 THEN 1 ELSE 0 END) AS once
WHERE buyers >= $minimum AND once >= $share * buyers
RETURN p.promoter_id AS promoter_id, buyers, once, 1.0 * once / buyers AS share
ORDER BY buyers DESC, promoter_id LIMIT 500
