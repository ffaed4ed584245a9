// Pairs of people who used the same devices or addresses, weighted by rarity: what many use says little.
// 共用设备或网络地址的人，按稀有度加权：使用者越多，权重越低。
//
// params:  $kinds    list     ["device","ip"]  kinds of identifiers
//          $users_max  integer  10  leave out what more people than this used
//          $weight_min  number  0.1  leave out pairs below this weight
// returns: user_a string, user_b string, weight number, identifiers integer
MATCH (i:Identifier)<-[:USED]-(u:User)
WHERE i.kind IN $kinds
WITH i, count(u) AS users
WHERE users >= 2 AND users <= $users_max
MATCH (a:User)-[:USED]->(i)<-[:USED]-(b:User)
WHERE a.id < b.id
WITH a, b, sum(1.0 / (users - 1)) AS weight, count(i) AS identifiers
WHERE weight >= $weight_min
RETURN a.id AS user_a, b.id AS user_b, weight, identifiers
ORDER BY weight DESC, user_a, user_b LIMIT 500
