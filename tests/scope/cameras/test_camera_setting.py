"""Whatever is typed for a setting is a number within its range or one clear error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opticstream.scope.cameras.camera_setting import BadSetting, CameraSetting, UnknownSetting, unknown_setting

WORDS = st.one_of(st.text(), st.floats().map(str), st.integers().map(str), st.none(), st.floats(), st.just("1_0"))


@given(value=WORDS, whole=st.booleans())
def test_a_value_is_in_range_or_refused_with_its_name(value: Any, whole: bool) -> None:
    setting = CameraSetting(5, -10, 100, whole)
    try:
        number = setting.parse("gain", value)
    except BadSetting as error:
        assert isinstance(error, ValueError)
        assert str(error).startswith("camera setting gain: found ")
    else:
        assert -10 <= number <= 100
        assert not whole or number == int(number)
        assert float(setting.text(number)) == pytest.approx(number, rel=1e-5)


def test_a_setting_that_is_not_there_is_a_key_error_without_quotes() -> None:
    error = unknown_setting("x", ["a", "b"])
    assert isinstance(error, KeyError)
    assert isinstance(error, UnknownSetting)
    assert str(error) == "camera setting: found 'x'; expected one of a, b"
