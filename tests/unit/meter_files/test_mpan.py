"""Meter ids: check digits, what spreadsheets do to them, and how they are shown."""

from __future__ import annotations

import pytest

from energy_ingest.sources.meter_files import masked, mpan
from tests.unit.meter_files import made_up


@pytest.mark.parametrize("number", [1, 2, 77, 123456, 9999999999])
def test_check_digit(number):
    right = made_up.mpan(number)
    assert mpan.has_check_digit(right)
    wrong = {right[:12] + digit for digit in "0123456789"} - {right}
    assert not any(mpan.has_check_digit(other) for other in wrong)


@pytest.mark.parametrize("text", ["1234567890123", "12345", "", "E06BG12862", "99000000000\u0661\u0665"])
def test_no_check_digit(text):
    assert not mpan.has_check_digit(text)


@pytest.mark.parametrize(
    "text",
    ["9900000000015", " 9900000000015 ", '="9900000000015"', "'9900000000015", "99 0000 0000 015", "9900000000015.0",
     "018011009900000000015", "01 801 100 99 0000 0000 015"],
)  # fmt: skip
def test_read(text):
    assert mpan.read(text) == ("9900000000015", None)


@pytest.mark.parametrize(("text", "why"), [
    ("1.2E+12", "scientific"), ("", "blank"), ("'", "blank"), ("=cmd|' /C calc'!A0", "no meter id"),
    ("'; DROP TABLE meter; --", "no meter id"), ("-", "no meter id"), ("1" * 41, "no meter id"),
])  # fmt: skip
def test_refused(text, why):
    found, problem = mpan.read(text)
    assert found is None
    assert why in problem


def test_masked():
    assert masked("9900000000015") == "99*********15"
    assert masked("E06BG12862") == "E0******62"
    assert masked("K1234") == "*****"
