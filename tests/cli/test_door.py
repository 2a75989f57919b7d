"""The door of every command adds nothing to, and hides nothing of, what libraries warn of."""

import warnings

import pytest

from postgrad.cli.support.door import enter


def test_what_a_library_warns_of_is_seen() -> None:
    def toy() -> None:
        warnings.warn("this will break", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="this will break"):
        assert enter(toy, ["toy"]) == 0
