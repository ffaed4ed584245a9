// The team of a promoter as a graph to draw.
// 某推客团队的关系图（可绘制）。
//
// params:  $promoter_id  string  "prm_none"  the promoter on top
// returns: path path
MATCH path = (:User {promoter_id: $promoter_id})-[:INVITED*1..3]->(:User)
RETURN path LIMIT 1000
