// How many touches there are at each depth of share paths.
// 分享链各深度的点击数。
//
// params:  none
// returns: depth integer, touches integer
MATCH (t:Touch)
RETURN t.depth AS depth, count(t) AS touches ORDER BY depth LIMIT 200
