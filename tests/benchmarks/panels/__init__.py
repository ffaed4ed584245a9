"""A second set of worlds, and a judge, made without a look at the simulator or the sweep; see docs/risk-worlds.md.

Read in this order: `world` (rows and truth), `files` (what a sweep reads of them), `shapes` and `hosts` (honest synthetic
trade), `baskets` (honest real trade), `crews` (how cheats get accounts), `rings`, `schemes` and `blocks` (what they do),
`lookalikes` (who only looks like it), `plan` (which worlds there are), `judge` (what a sweep made of them), `report`.
"""
