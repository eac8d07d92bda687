"""Times keep their zone, never gain one, and are found again by any precision (mapping 1.10)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.datetimes import (
    FOREVER,
    fhir_date,
    fhir_datetime,
    fhir_datetime_of_dt,
    instant,
    search_range,
    zone_of,
)
from fhir.errors import BadDate

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("da", "expected"),
    [
        ("20220822", "2022-08-22"),
        ("2022.08.22", "2022-08-22"),
        ("20220230", ""),
        ("00000101", ""),
        ("202208", ""),
        ("", ""),
        ("20220822-20220823", ""),
        ("٢٠٢٢٠٨٢٢", ""),
    ],
)
def test_a_dicom_date_is_a_real_day_or_nothing(da: str, expected: str) -> None:
    assert fhir_date(da) == expected


@pytest.mark.parametrize(
    ("da", "tm", "offset", "zone", "expected"),
    [
        ("20220822", "083117.658000", "", "Europe/Paris", "2022-08-22T08:31:17+02:00"),
        ("20220122", "083117", "", "Europe/Paris", "2022-01-22T08:31:17+01:00"),
        ("20220822", "083117", "-0500", "Europe/Paris", "2022-08-22T08:31:17-05:00"),
        ("20220822", "0831", "+0000", "", "2022-08-22T08:31:00+00:00"),
        ("20220822", "08", "+1400", "", "2022-08-22T08:00:00+14:00"),
        ("20220822", "08:31:17", "+0200", "", "2022-08-22T08:31:17+02:00"),
        ("20220822", "083117", "", "", "2022-08-22"),
        ("20220822", "083117", "+1500", "", "2022-08-22"),
        ("20220822", "083117", "+0275", "", "2022-08-22"),
        ("20220822", "", "+0200", "Europe/Paris", "2022-08-22"),
        ("20220822", "2500", "+0200", "", "2022-08-22"),
        ("20221231", "235960", "+0000", "", "2022-12-31T23:59:60+00:00"),
        ("", "083117", "+0200", "", ""),
    ],
)
def test_a_time_is_told_only_with_an_offset_that_somebody_gave(
    da: str, tm: str, offset: str, zone: str, expected: str
) -> None:
    assert fhir_datetime(da, tm, offset=offset, zone=zone) == expected


@pytest.mark.parametrize(
    ("dt", "expected"),
    [
        ("2022", "2022"),
        ("202208", "2022-08"),
        ("20220822", "2022-08-22"),
        ("2022082208+0100", "2022-08-22T08:00:00+01:00"),
        ("20220822083117.5", "2022-08-22T08:31:17+02:00"),
        ("202213", ""),
        ("20220230083117", ""),
        ("nonsense", ""),
    ],
)
def test_a_dt_value_keeps_the_precision_it_has(dt: str, expected: str) -> None:
    assert fhir_datetime_of_dt(dt, zone="Europe/Paris") == expected


def test_an_instant_is_told_in_utc_to_the_millisecond() -> None:
    when = datetime(2026, 11, 24, 3, 45, 15, 123999, tzinfo=ZoneInfo("Europe/Paris"))
    assert instant(when) == "2026-11-24T02:45:15.123Z"


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(BadDate):
        zone_of("Mars/Olympus")
    with pytest.raises(BadDate):
        zone_of("../etc/passwd")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("2022", 365 * DAY),
        ("2024-02", 29 * DAY),
        ("2022-12", 31 * DAY),
        ("2022-08-22", DAY),
        ("2022-08-22T08:31", 60_000_000),
        ("2022-08-22T08:31Z", 60_000_000),
        ("2022-08-22T08:31:17", 1_000_000),
        ("2022-08-22T08:31:17+02:00", 1_000_000),
        ("2022-08-22T08:31:17 02:00", 1_000_000),
        ("2022-08-22T08:31:17.5Z", 100_000),
        ("2022-08-22T08:31:17.123456789Z", 1),
        ("2016-12-31T23:59:60Z", 1_000_000),
    ],
)
def test_a_search_date_covers_as_much_time_as_it_leaves_open(text: str, length: int) -> None:
    low, high = search_range(text)
    assert high - low == length


@pytest.mark.parametrize(
    "text",
    [
        "1973-02-30",
        "***",
        "",
        "2022-13",
        "22-08-22",
        "2022-08-22T25:00Z",
        "2022-08-22T08:31:17.1234567890Z",
        "2022-08-22T08:31:17+15:00",
        "2022-08-22T08",
        "2022-08-22T08:31:61Z",
        "0000",
        "2022-08-22 ",
        "\uff12\uff10\uff12\uff12",
    ],
)
def test_a_bad_search_date_is_refused(text: str) -> None:
    with pytest.raises(BadDate):
        search_range(text)


def test_the_last_year_that_can_be_written_has_no_end() -> None:
    for text in ("9999", "9999-12", "9999-12-31"):
        assert search_range(text)[1] == FOREVER


def test_a_day_without_offset_is_a_day_of_the_zone() -> None:
    paris = zone_of("Europe/Paris")
    low, high = search_range("2022-08-22", zone=paris)
    assert low == search_range("2022-08-21T22:00:00Z")[0]
    assert high - low == DAY
    assert (
        search_range("2022-03-27", zone=paris)[1] - search_range("2022-03-27", zone=paris)[0]
        == DAY - 3_600_000_000
    )


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_an_instant_lies_in_the_range_of_each_of_its_shorter_forms(when: datetime) -> None:
    text = instant(when.replace(tzinfo=UTC))
    ranges = [
        search_range(text[:cut] + end)
        for cut, end in ((4, ""), (7, ""), (10, ""), (16, "Z"), (19, "Z"), (24, ""))
    ]
    lows, highs = zip(*ranges, strict=True)
    assert list(lows) == sorted(lows)
    assert list(highs) == sorted(highs, reverse=True)


@given(st.dates(min_value=date(1, 1, 1), max_value=date(9999, 12, 30)))
def test_days_follow_each_other_without_a_gap(day: date) -> None:
    after = day + timedelta(days=1)
    assert search_range(day.isoformat())[1] == search_range(after.isoformat())[0]
