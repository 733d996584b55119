"""No garbage is looked for while libraries are imported, and always afterwards."""

from __future__ import annotations

import gc

import pytest

from hubmerge.utils.importing import without_collecting


def test_collecting_goes_on_afterwards() -> None:
    before = gc.get_freeze_count()
    with without_collecting():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()


def test_collecting_goes_on_after_an_error() -> None:
    with pytest.raises(ImportError), without_collecting():
        raise ImportError("there is no such library")
    assert gc.isenabled()
