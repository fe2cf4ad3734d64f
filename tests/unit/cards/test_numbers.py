"""Card numbers and status indices: no two equal, none to be guessed from another, each with its check digit."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.numbers import SEGMENT, NumberScheme, Permutation, batch_reference, luhn, mod_97

KEY = bytes(range(32))
SCHEME = NumberScheme.of(KEY, "9", 16)


@pytest.mark.parametrize(("left", "right"), [(10, 10), (10, 100), (100, 10), (7, 31), (1, 13), (256, 256)])
def test_a_permutation_takes_each_value_to_another_one_of_the_range(left: int, right: int) -> None:
    permutation = Permutation(KEY, left, right)
    assert sorted(permutation(value) for value in range(left * right)) == list(range(left * right))


def test_a_value_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError):
        Permutation(KEY, 10, 10)(100)


def test_neighbours_lie_nowhere_near_each_other() -> None:
    numbers = [int(SCHEME.number(counter)[1:-1]) for counter in range(2000)]
    steps = [abs(after - before) for before, after in itertools.pairwise(numbers)]
    # A third of the range is what random numbers have on the average.
    assert 0.30 < sum(steps) / len(steps) / 10**14 < 0.37
    assert min(steps) > 10**9


@given(st.integers(0, 10**14 - 1))
def test_a_number_has_the_prefix_sixteen_digits_and_a_valid_check_digit(counter: int) -> None:
    number = SCHEME.number(counter)
    assert len(number) == 16
    assert number.isdigit()
    assert number.startswith("9")
    assert luhn(number[:-1]) == number[-1]


def test_no_two_of_many_numbers_are_equal() -> None:
    assert len({SCHEME.number(counter) for counter in range(20_000)}) == 20_000


def test_another_key_gives_other_numbers() -> None:
    other = NumberScheme.of(bytes(32), "9", 16)
    assert not {SCHEME.number(c) for c in range(1000)} & {other.number(c) for c in range(1000)}


def test_prefix_and_length_are_the_operators() -> None:
    number = NumberScheme.of(KEY, "2204", 19).number(5)
    assert len(number) == 19
    assert number.startswith("2204")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        NumberScheme.of(b"short", "9", 16)


def test_status_indices_fill_a_segment_without_a_gap_and_out_of_order() -> None:
    indices = [SCHEME.status_index(counter) for counter in range(SEGMENT)]
    assert sorted(indices) == list(range(SEGMENT))
    assert indices != sorted(indices)
    assert SEGMENT <= SCHEME.status_index(SEGMENT) < 2 * SEGMENT


def test_luhn_and_mod_97_agree_with_published_examples() -> None:
    assert luhn("7992739871") == "3"
    assert mod_97("794") == "44"


@given(st.integers(1, 999_999), st.data())
def test_a_batch_reference_misread_by_a_swap_or_a_digit_is_noticed(count: int, data: st.DataObject) -> None:
    digits = batch_reference(2026, count).removeprefix("PB")
    assert int(digits) % 97 == 1
    place = data.draw(st.integers(0, len(digits) - 2))
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    digit = data.draw(st.sampled_from("0123456789"))
    wrong = digits[:place] + digit + digits[place + 1 :]
    for misread in {swapped, wrong} - {digits}:
        assert int(misread) % 97 != 1
