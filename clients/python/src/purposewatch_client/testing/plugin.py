"""The pytest plugin under the name that environments have which were installed before 0.3."""

from purposewatch_client_pytest import captured, pytest_addoption, pytest_configure

__all__ = ["captured", "pytest_addoption", "pytest_configure"]
