from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from fedloom.errors import InputError, UnknownNameError
from fedloom.federation.devices import DeviceModel, device_presets


def simulate(model, clients=range(5), number=1, examples=600, seed=1):
    return model.simulate(
        seed,
        number,
        list(clients),
        [examples] * len(clients),
        download_bytes=1_000_000,
        upload_bytes=500_000,
    )


def test_equal_devices_by_hand():
    model = DeviceModel(
        examples_per_second=300.0,
        download_bytes_per_second=1e6,
        upload_bytes_per_second=250_000.0,
        deadline_s=4.9,
    )
    result = simulate(model)
    np.testing.assert_allclose(result.train_seconds, 2.0)
    np.testing.assert_allclose(result.transfer_seconds, 3.0)
    np.testing.assert_allclose(result.seconds, 5.0)
    assert result.straggler.all()
    assert result.round_seconds == 4.9
    patient = simulate(model.model_copy(update={"deadline_s": 5.1}))
    assert not patient.straggler.any()
    assert patient.round_seconds == pytest.approx(5.0)
    assert simulate(model.model_copy(update={"deadline_s": None})).round_seconds == 5.0


def test_speeds_are_log_normal_around_the_median():
    model = DeviceModel(examples_per_second=100.0, speed_spread=0.5, bandwidth_spread=0.25)
    result = simulate(model, range(20_000), examples=100)
    logs = np.log(result.train_seconds)
    assert np.median(logs) == pytest.approx(0, abs=0.02)
    assert logs.std() == pytest.approx(0.5, rel=0.03)
    assert np.log(result.transfer_seconds).std() == pytest.approx(0.25, rel=0.03)
    assert np.corrcoef(logs, np.log(result.transfer_seconds))[0, 1] == pytest.approx(0, abs=0.03)


def test_a_device_stays_the_same_over_rounds_unless_rounds_differ():
    steady = DeviceModel(speed_spread=0.5, bandwidth_spread=0.5)
    one, two = simulate(steady, number=1), simulate(steady, number=2)
    np.testing.assert_array_equal(one.seconds, two.seconds)
    restless = steady.model_copy(update={"round_spread": 0.3})
    one, two = simulate(restless, number=1), simulate(restless, number=2)
    assert not np.any(one.train_seconds == two.train_seconds)
    np.testing.assert_array_equal(one.transfer_seconds, two.transfer_seconds)
    assert not np.any(simulate(steady, seed=2).seconds == simulate(steady, seed=1).seconds)


def test_nobody_else_changes_a_device():
    model = device_presets()["mobile"]
    all_of_them, some = simulate(model, range(100)), simulate(model, [7, 42])
    np.testing.assert_array_equal(all_of_them.seconds[[7, 42]], some.seconds)
    np.testing.assert_array_equal(all_of_them.available[[7, 42]], some.available)


def test_availability_is_drawn_per_round_and_client():
    model = DeviceModel(availability=0.7, deadline_s=1e-6)
    first, second = (simulate(model, range(2000), number=n) for n in (1, 2))
    assert 0.65 < first.available.mean() < 0.75
    assert 0.3 < np.mean(first.available != second.available) < 0.55
    # Only a device that was there can be late.
    np.testing.assert_array_equal(first.straggler, first.available)
    np.testing.assert_array_equal(model.available(1, 1, range(2000)), first.available)


def test_nobody_there_takes_no_time():
    model = DeviceModel(availability=1e-12)
    assert simulate(model).round_seconds == 0.0
    assert simulate(DeviceModel(), []).round_seconds == 0.0


def test_the_slowest_one_there_sets_the_time():
    model = DeviceModel(speed_spread=1.0, availability=0.5)
    result = simulate(model, range(50))
    assert result.round_seconds == result.seconds[result.available].max()
    assert result.round_seconds < result.seconds.max() or result.available[result.seconds.argmax()]


def test_ten_thousand_clients_are_quick():
    begin = perf_counter()
    simulate(device_presets()["mobile"], range(10_000))
    assert perf_counter() - begin < 20.0


def test_presets():
    presets = device_presets()
    assert list(presets) == ["uniform", "mixed", "mobile"]
    for model in presets.values():
        assert DeviceModel.from_mapping(model.model_dump()) == model


def test_settings_not_named_keep_their_defaults():
    model = DeviceModel.from_mapping({"availability": 0.5, "examples_per_second": 200})
    assert model == DeviceModel(availability=0.5, examples_per_second=200.0)
    assert DeviceModel.from_mapping({}) == device_presets()["uniform"]


def test_unknown_setting_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'deadline_s'"):
        DeviceModel.from_mapping({"deadline": 3})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("examples_per_second", 0),
        ("examples_per_second", float("inf")),
        ("speed_spread", -0.1),
        ("speed_spread", float("nan")),
        ("upload_bytes_per_second", -1.0),
        ("download_bytes_per_second", "fast"),
        ("availability", 0.0),
        ("availability", 1.5),
        ("availability", True),
        ("deadline_s", 0),
        ("round_spread", None),
    ],
)
def test_impossible_settings_are_named(setting, value):
    with pytest.raises(InputError, match=f"devices: {setting}={value!r}: input should") as caught:
        DeviceModel.from_mapping({setting: value})
    assert "\n" not in str(caught.value)
