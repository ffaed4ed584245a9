"""A second simulator, for learning only: shops and cheats imagined by somebody else than the authors of tuike/risk/worlds.

What is learnt from one simulator alone is also learnt of its habits. Read in this order: `market` (rows as they come about),
`hosts` (honest trade), `rings` (who cheats), `lookalikes` (who only looks like it), `files` (what a sweep and the judge read),
`shop` (which shops there are). Cheats and look-alikes have the names of `tuike.risk.worlds` where they tell the same story, so
that who leaves one out of learning leaves it out here too.
"""

from tests.benchmarks.bazaar.shop import Shop, list_shops, make_shop

__all__ = ["Shop", "list_shops", "make_shop"]
