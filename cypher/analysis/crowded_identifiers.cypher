// Devices and addresses that many people used; often a dormitory, an office, a shop's tablet, sometimes a workshop.
// 多人使用的设备或地址：常见于宿舍、办公室、门店平板，也可能是刷单窝点。
//
// params:  $minimum  integer  5  at least this many people
// returns: kind string, identifier string, users integer, promoters integer, times integer
MATCH (i:Identifier)<-[used:USED]-(u:User)
WITH i, count(u) AS users, count(u.promoter_id) AS promoters, sum(used.times) AS times
WHERE users >= $minimum
RETURN i.kind AS kind, i.key AS identifier, users, promoters, times
ORDER BY users DESC, identifier LIMIT 500
