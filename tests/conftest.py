"""Settings of the tests."""

from hypothesis import settings

# Tests must not fail for the machine's being slow.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
