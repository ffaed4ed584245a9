"""The demo: a year of real baskets through the whole of tuike, told on the screen.

Real: what was bought, for how much, when, by which household (`data`). Simulated on top, because no open data joins
orders with referrals: promoters and who invited whom (`people`), who opened whose link (`sharing`), and when orders
were paid, received and sent back (`timetable`). `story` plays it through the verbs that the API calls, `live` makes one
more purchase over REST, `screen` tells it, `run` holds it together. The seed is fixed: every run decides the same.
"""

from tuike.demo.data import BASKETS_MAX
from tuike.demo.run import run_demo

__all__ = ["BASKETS_MAX", "run_demo"]
