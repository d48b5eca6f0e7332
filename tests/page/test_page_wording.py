"""Numbers as people read them."""

from __future__ import annotations

import pytest

from fedloom.page.wording import clip, count, duration, named, number, percent, rounded


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 ms"), (0.0123, "12.3 ms"), (0.9999, "1.0 s"), (43.21, "43.2 s"),
     (119.96, "2 min 0 s"), (197, "3 min 17 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 0 min"),
     (8820, "2 h 27 min")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.000"), (1.04, "1.040"), (0.90904, "0.9090"), (1234.0, "1,234"),
     (65432.1, "65,432"), (1.5e7, "1.500e+07"), (2.5e-6, "2.500e-06")],
)  # fmt: skip
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_rest() -> None:
    assert (count(1, "client"), count(1000, "client")) == ("1 client", "1,000 clients")
    assert (percent(0.9312), percent(None)) == ("93.1 %", "–")
    assert rounded(1 / 3) == 0.33333
    assert (clip("abcdef", 4), clip("abc", 4)) == ("abc…", "abc")
    assert named("<b>&") == "&lt;b&gt;&amp;"
