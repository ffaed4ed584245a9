// Everything within two steps of a promoter, as a graph to draw.
// 某推客两步以内的全部关系（可绘制）。
//
// params:  $promoter_id  string  "prm_none"  the promoter in the middle
// returns: path path
MATCH path = (:User {promoter_id: $promoter_id})-[*1..2]-(other)
RETURN path LIMIT 500
