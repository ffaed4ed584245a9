// The share path of a touch, back to the first share, as a graph to draw.
// 某次点击的完整分享链，直到最初的分享（可绘制）。
//
// params:  $touch_id  string  "tch_none"  the touch at the end
// returns: path path
MATCH path = (:Touch {id: $touch_id})-[:FOLLOWED*0..64]->(:Touch)
RETURN path ORDER BY length(path) DESC LIMIT 1
