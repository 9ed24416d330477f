import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfw.data import Examples, fold_chunks, folds, split, split_chunks
from nnfw.errors import DataError

QUICK = settings(max_examples=50, deadline=None, derandomize=True)


def examples_of(target):
    target = np.asarray(target)
    return Examples({"x": np.arange(len(target), dtype=float)}, target)


def seeded(seed=0):
    return np.random.default_rng(seed)


@st.composite
def labels(draw, smallest=1):
    sizes = draw(st.lists(st.integers(smallest, 40), min_size=1, max_size=6))
    return seeded(draw(st.integers(0, 9))).permutation(np.repeat(np.arange(len(sizes)), sizes))


SHARES = st.sampled_from([(0.15, 0.15), (0.0, 0.2), (0.3, 0.0), (0.0, 0.0), (0.25, 0.25), (0.1, 0.5)])


@pytest.mark.parametrize("stratify", [False, True], ids=["random", "stratified"])
@QUICK
@given(target=labels(smallest=8), shares=SHARES, seed=st.integers(0, 99))
def test_split_parts_are_disjoint_and_exhaustive(stratify, target, shares, seed):
    parts = split(examples_of(target), *shares, stratify=stratify, rng=seeded(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(target)))


@pytest.mark.parametrize("stratify", [False, True], ids=["random", "stratified"])
@QUICK
@given(target=labels(smallest=8), shares=SHARES)
def test_split_sizes_are_the_rounded_shares(stratify, target, shares):
    parts = split(examples_of(target), *shares, stratify=stratify, rng=seeded())
    for part, share in zip(parts[1:], shares, strict=True):
        exact = share * len(target)
        assert len(part) == (max(1, int(exact + 0.5)) if share else 0)


@QUICK
@given(target=labels(smallest=8), shares=SHARES)
def test_split_stratified_classes_keep_their_proportions(target, shares):
    parts = split(examples_of(target), *shares, stratify=True, rng=seeded())
    for label, size in zip(*np.unique(target, return_counts=True), strict=True):
        for part in parts[1:]:
            quota = len(part) * size / len(target)
            assert abs((target[part] == label).sum() - quota) < 1


@pytest.mark.parametrize("stratify", [False, True], ids=["random", "stratified"])
def test_split_depends_on_the_generator_alone(stratify):
    examples = examples_of(np.arange(200) % 3)
    first, again, other = (split(examples, stratify=stratify, rng=seeded(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first.test, other.test)


def test_split_rows_are_in_ascending_order():
    for part in split(examples_of(np.arange(100) % 2), stratify=True, rng=seeded()):
        assert (np.diff(part) > 0).all()


def test_split_at_random_is_uniform():
    counts = np.zeros(10)
    for seed in range(2000):
        counts[split(examples_of(np.zeros(10)), 0.2, 0.0, rng=seeded(seed)).validation] += 1
    assert counts.sum() == 4000
    assert abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)


def test_split_stratified_rows_within_a_class_are_drawn_at_random():
    first = [
        split(examples_of([0] * 10), 0.1, 0.0, stratify=True, rng=seeded(seed)).validation[0] for seed in range(50)
    ]
    assert len(set(first)) == 10


def test_split_without_held_out_parts_is_all_training():
    parts = split(examples_of([5]), 0, 0, rng=seeded())
    assert [part.tolist() for part in parts] == [[0], [], []]


def test_split_stratified_names_are_classes():
    target = np.array(["a"] * 10 + ["b"] * 20)
    parts = split(examples_of(target), 0.2, 0.1, stratify=True, rng=seeded())
    assert sorted(target[parts.validation]) == ["a"] * 2 + ["b"] * 4
    assert sorted(target[parts.test]) == ["a"] + ["b"] * 2


@QUICK
@given(seed=st.integers(0, 99))
def test_split_stratified_class_with_one_example_stays_in_training(seed):
    target = np.array([0] * 10 + [1] + [2] * 10)
    parts = split(examples_of(target), 0.3, 0.3, stratify=True, rng=seeded(seed))
    assert 10 in parts.training


@QUICK
@given(target=labels(), seed=st.integers(0, 9))
def test_split_stratified_every_class_keeps_an_example_for_training(target, seed):
    try:
        parts = split(examples_of(target), 0.3, 0.3, stratify=True, rng=seeded(seed))
    except DataError:
        return
    assert set(target[parts.training]) == set(target)


@pytest.mark.parametrize(
    ("count", "shares", "asked"),
    [
        (1, (0.15, 0.15), r"1 example cannot be split into training, validation \(0.15\) and test \(0.15\)"),
        (2, (0.15, 0.15), r"2 examples cannot be split into training, validation \(0.15\) and test \(0.15\)"),
        (1, (0.0, 0.5), r"1 example cannot be split into training, test \(0.5\)"),
        (3, (0.9, 0.05), r"3 examples cannot be split"),
    ],
    ids=["one", "two", "one for two parts", "rounded away"],
)
def test_split_too_few_examples_are_refused(count, shares, asked):
    with pytest.raises(DataError, match=f"^{asked}.*: each part needs at least one.*Add examples or set a share to 0"):
        split(examples_of(np.zeros(count, int)), *shares, rng=seeded())


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (np.linspace(0, 1, 50), r"float64 of shape \(50,\)"),
        (np.zeros((50, 3), int), r"int64 of shape \(50, 3\)"),
        (None, "there is none"),
    ],
    ids=["numbers", "one-hot", "none"],
)
def test_split_stratify_without_classes_is_refused(target, found):
    examples = Examples({"x": np.arange(50.0)}, target, "y")
    message = (
        f"^stratify needs a target of classes, one name or whole number for each example; 'y': {found}. Do not stratify"
    )
    with pytest.raises(DataError, match=message):
        split(examples, stratify=True, rng=seeded())


def test_split_stratify_of_classes_too_small_to_hold_any_out_is_refused():
    message = (
        r"^stratify cannot find 1 examples for validation: each of the 4 classes of 'target' keeps one for training"
    )
    with pytest.raises(DataError, match=message):
        split(examples_of(["a", "b", "c", "d"]), stratify=True, rng=seeded())


def test_split_in_order_takes_the_last_examples():
    parts = split(examples_of(np.arange(10)), 0.2, 0.3, in_order=True, rng=seeded())
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


@QUICK
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=30), shares=SHARES)
def test_chunk_rows_in_order_are_those_of_arrays(sizes, shares):
    sizes = [*sizes, 4]
    parts = split_chunks(sizes, *shares, in_order=True, rng=seeded())
    expected = split(examples_of(np.zeros(sum(sizes))), *shares, in_order=True, rng=seeded())._asdict()
    starts = np.cumsum(sizes) - sizes
    for name, part in parts.items():
        found = [start + part[chunk] for chunk, start in enumerate(starts)]
        np.testing.assert_array_equal(np.concatenate(found), expected[name], err_msg=name)


@pytest.mark.parametrize("in_order", [False, True])
@QUICK
@given(groups=st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=60), shares=SHARES, seed=st.integers(0, 99))
def test_split_by_group_keeps_groups_whole(in_order, groups, shares, seed):
    groups = np.array([*groups, "x", "y", "z"])
    parts = split(examples_of(np.zeros(len(groups))), *shares, groups=groups, in_order=in_order, rng=seeded(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    found = [set(groups[part].tolist()) for part in parts]
    assert len(set().union(*found)) == sum(map(len, found))
    assert [bool(part) for part in found] == [True, *(share > 0 for share in shares)]


def test_split_by_group_comes_near_to_the_shares():
    groups = np.repeat(np.arange(50), 4)
    parts = split(examples_of(np.zeros(200)), 0.25, 0.1, groups=groups, rng=seeded())
    assert [len(part) for part in parts] == [132, 48, 20]


def test_split_by_group_in_order_takes_the_last_groups():
    groups = np.array(["d", "d", "b", "b", "b", "a", "c", "c"])
    parts = split(examples_of(np.arange(8)), 0.2, 0.25, groups=groups, in_order=True, rng=seeded())
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4], [5], [6, 7]]


@pytest.mark.parametrize("seed", range(3))
def test_split_by_group_is_drawn(seed):
    groups = np.arange(40) % 10
    first, again, other = (split(examples_of(groups), 0.2, 0.2, groups=groups, rng=seeded(k)) for k in (seed, seed, 9))
    assert first.test.tolist() == again.test.tolist() != other.test.tolist()


def test_split_by_too_few_groups_is_refused():
    text = "2 groups cannot be split into 3 parts: each needs at least one, and training comes first. Split by another "
    with pytest.raises(DataError, match=f"^{text}column, or set a share to 0[.]$"):
        split(examples_of(np.zeros(9)), 0.2, 0.2, groups=np.arange(9) % 2, rng=seeded())


@QUICK
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=30), shares=SHARES, seed=st.integers(0, 99))
def test_chunk_rows_are_each_row_once_and_as_many_as_of_arrays(sizes, shares, seed):
    sizes = [*sizes, 4]
    parts = split_chunks(sizes, *shares, rng=seeded(seed))
    expected = split(examples_of(np.zeros(sum(sizes))), *shares, rng=seeded(seed))._asdict()
    assert {name: part.lengths.sum() for name, part in parts.items()} == {
        name: len(own) for name, own in expected.items()
    }
    for chunk, size in enumerate(sizes):
        rows = [parts[name][chunk] for name in ("training", "validation", "test")]
        assert all((np.diff(own) > 0).all() for own in rows)
        assert [len(own) for own in rows] == [part.lengths[chunk] for part in parts.values()]
        np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(size))


def test_chunk_rows_are_drawn_uniformly():
    counts = np.zeros(6)
    for seed in range(3000):
        part = split_chunks([1, 5], 0, 1 / 3, rng=seeded(seed))["test"]
        for chunk, start in ((0, 0), (1, 1)):
            counts[start + part[chunk]] += 1
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.04)  # 4.6 standard deviations


def test_chunk_rows_depend_on_the_generator_alone():
    first, again, other = (split_chunks([9, 9], 0.3, 0.3, rng=seeded(seed)) for seed in (0, 0, 1))
    drawn = [[part[chunk].tolist() for part in parts.values() for chunk in (1, 0)] for parts in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_chunk_rows_of_too_many_examples_are_refused():
    text = (
        "1,000,000,000 examples cannot be split at random; 999,999,999 are the most. Split them in order, or set the "
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}shares of validation and test to 0[.]$"):
        split_chunks([500_000_000] * 2, 0.1, 0, rng=seeded())
    parts = split_chunks([500_000_000] * 2, 0, 0, rng=seeded())
    assert [part.lengths.sum() for part in parts.values()] == [1_000_000_000, 0, 0]


@QUICK
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    count=st.integers(2, 5),
    share=st.floats(0, 0.4),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("in_order", [False, True])
def test_folds_of_chunks_test_every_row_once_or_the_block_after_those_they_know(sizes, count, share, seed, in_order):
    sizes = [*sizes, 13]
    starts, total = np.cumsum([0, *sizes]), sum(sizes)
    tested = []
    for parts in fold_chunks(sizes, count, share, in_order=in_order, rng=seeded(seed)):
        rows = {
            name: np.concatenate([starts[chunk] + part[chunk] for chunk in range(len(sizes))])
            for name, part in parts.items()
        }
        together = np.sort(np.concatenate([*rows.values()]))
        assert len(rows["training"])
        assert len(rows["validation"]) == (
            max(1, int((len(together) - len(rows["test"])) * share + 0.5)) if share else 0
        )
        if in_order:
            np.testing.assert_array_equal(np.concatenate([*rows.values()]), np.arange(len(together)))
        else:
            np.testing.assert_array_equal(together, np.arange(total))
            assert len(rows["test"]) in (total // count, total // count + 1)
        tested.append(rows["test"])
    expected = np.arange(total // (count + 1) if in_order else 0, total)
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), expected)


def test_folds_of_chunks_depend_on_the_generator_alone():
    first, again, other = (fold_chunks([9, 9], 3, 0.3, rng=seeded(seed)) for seed in (0, 0, 1))
    drawn = [[part[1].tolist() for fold in parts for part in fold.values()] for parts in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("count", "in_order"), [(6, False), (5, True), (1, False)])
def test_more_folds_than_examples_in_chunks_are_refused(count, in_order):
    with pytest.raises(
        DataError, match=r"folds .*need at least \d examples, there are 5\. Choose another number of folds"
    ):
        fold_chunks([2, 3], count, 0, in_order=in_order, rng=seeded())


# folds


@QUICK
@given(target=labels(smallest=5), count=st.integers(2, 5), seed=st.integers(0, 99))
def test_folds_test_every_row_once_and_know_the_others(target, count, seed):
    found = folds(examples_of(target), count, rng=seeded(seed))
    assert sorted(np.concatenate([fold.test for fold in found]).tolist()) == list(range(len(target)))
    for known, test in found:
        assert sorted([*known.tolist(), *test.tolist()]) == list(range(len(target)))


@QUICK
@given(target=labels(), count=st.integers(2, 4), seed=st.integers(0, 99))
def test_folds_have_as_many_examples_of_each_class(target, count, seed):
    if len(target) < count:
        return
    found = folds(examples_of(target), count, rng=seeded(seed))
    for label in np.unique(target):
        sizes = [int((target[fold.test] == label).sum()) for fold in found]
        assert max(sizes) - min(sizes) <= 1
    assert np.ptp([len(fold.test) for fold in found]) <= 1


@QUICK
@given(groups=labels(smallest=1), count=st.integers(2, 4), seed=st.integers(0, 99))
def test_folds_keep_groups_together(groups, count, seed):
    if len(np.unique(groups)) < count:
        return
    found = folds(examples_of(np.zeros(len(groups))), count, groups=groups, rng=seeded(seed))
    assert sorted(np.concatenate([fold.test for fold in found]).tolist()) == list(range(len(groups)))
    for known, test in found:
        assert not set(groups[known]) & set(groups[test])
        assert len(known)
        assert len(test)


def test_folds_of_groups_are_of_similar_size():
    groups = np.repeat(np.arange(5), [50, 30, 20, 10, 10])
    found = folds(examples_of(np.zeros(120)), 3, groups=groups, rng=seeded())
    assert sorted(len(fold.test) for fold in found) == [30, 40, 50]


@pytest.mark.parametrize("grouped", [False, True], ids=["rows", "groups"])
def test_folds_in_order_know_only_what_comes_before(grouped):
    groups = np.repeat(np.arange(10), 3) if grouped else None
    found = folds(examples_of(np.zeros(30)), 4, in_order=True, groups=groups, rng=seeded())
    assert [len(fold.test) for fold in found] == [6] * 4
    for number, (known, test) in enumerate(found, 1):
        assert known.tolist() == list(range(6 * number))
        assert test.tolist() == list(range(6 * number, 6 * number + 6))


SHUFFLED = np.array([5, 2, 9, 0, 7, 4, 1, 8, 3, 6])


def in_time(time, **others):
    return Examples({"x": np.arange(len(time), dtype=float)}, np.zeros(len(time)), time=time, **others)


def test_split_holds_out_the_newest_examples():
    parts = split(in_time(SHUFFLED), 0.2, 0.3, rng=seeded())
    assert [sorted(SHUFFLED[part].tolist()) for part in parts] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
    assert all((np.diff(part) > 0).all() for part in parts)


@pytest.mark.parametrize("stratify", [False, True])
def test_examples_of_one_time_are_in_one_part_and_one_fold(stratify):
    days = SHUFFLED // 3
    parts = split(in_time(days), 0.25, 0.25, stratify=stratify, rng=seeded())
    times = [days[part] for part in parts]
    assert all(len(part) for part in parts)
    assert max(times[0]) < min(times[1]) <= max(times[1]) < min(times[2])
    for fold in folds(in_time(days), 2, rng=seeded()):
        assert max(days[fold.known]) < min(days[fold.test])


def test_split_in_time_keeps_the_groups_of_the_examples():
    parts = split(in_time(SHUFFLED, group=SHUFFLED // 2), 0.2, 0.2, rng=seeded())
    assert [sorted(SHUFFLED[part].tolist()) for part in parts] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]


def test_split_by_the_group_of_the_examples_is_that_by_groups():
    groups = np.repeat(np.arange(6), 4)
    own = Examples({"x": np.arange(24.0)}, group=groups)
    first = split(own, 0.2, 0.2, rng=seeded())
    second = split(examples_of(np.zeros(24)), 0.2, 0.2, groups=groups, rng=seeded())
    assert [part.tolist() for part in first] == [part.tolist() for part in second]


def test_folds_in_time_know_only_what_was_before():
    found = folds(in_time(SHUFFLED), 4, rng=seeded())
    assert [sorted(SHUFFLED[fold.test].tolist()) for fold in found] == [[2, 3], [4, 5], [6, 7], [8, 9]]
    assert [int(SHUFFLED[fold.known].max()) for fold in found] == [1, 3, 5, 7]


def test_folds_of_groups_in_time_keep_them_together():
    found = folds(in_time(SHUFFLED, group=-(SHUFFLED // 2)), 4, rng=seeded())
    assert [sorted(SHUFFLED[fold.test].tolist()) for fold in found] == [[2, 3], [4, 5], [6, 7], [8, 9]]


def test_folds_of_numbers_are_drawn():
    first, second = (folds(examples_of(np.arange(50.0)), 5, rng=seeded(seed)) for seed in (0, 1))
    assert [len(fold.test) for fold in first] == [10] * 5
    assert first[0].test.tolist() != second[0].test.tolist()


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (1, {}, r"^1 folds need at least 2 examples, there are 6\. Choose another number of folds, 2 or more\.$"),
        (7, {}, r"^7 folds need at least 7 examples, there are 6\. Choose"),
        (6, {"in_order": True}, r"^6 folds in order need at least 7 examples, there are 6\. Choose"),
        (3, {"groups": np.array([1, 1, 1, 2, 2, 2])}, r"^3 folds need at least 3 groups, there are 2\. Choose"),
    ],
)
def test_folds_that_cannot_be_cut_are_refused(count, options, message):
    with pytest.raises(DataError, match=message):
        folds(examples_of(np.zeros(6)), count, rng=seeded(), **options)
