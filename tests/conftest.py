"""Shared by all tests: how hypothesis runs."""

from hypothesis import HealthCheck, settings

# Machines that run tests are busy: how long one example took says nothing.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")
