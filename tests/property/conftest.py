"""How hard Hypothesis tries: a moderate run by default, a long one with HYPOTHESIS_PROFILE=deep."""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("tuike", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("deep", deadline=None, max_examples=2_000, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tuike"))
