"""The mixing of batches, wrong in one place, and the ordinary test that must fail."""

import inspect
from functools import partial

import numpy as np
import pytest
from tests.training import test_mixing as of_mixing

from nnfw.ops.definitions import blend
from nnfw.training import mixing
from nnfw.training.mixing import Mixer, Mixing

MIXED, CUT = (
    of_mixing.test_mixup_mixes_examples_and_labels_alike,
    partial(of_mixing.test_cutmix_takes_a_rectangle_of_another_image_and_its_share_of_the_label, seed=1),
)


def blended(own, out, partners, kept):
    out[...] = own[partners]
    blend.definition(out, own, 1 - kept)


def wrong(labels=lambda partners, kept, rng: (partners, kept), second=lambda partners, rng: partners, fresh=False):
    """Return a mix that takes other partners, or another share, for the labels, or other partners for later inputs."""

    def mix(self, x, y, out, rng):
        rng = np.random.default_rng(0) if fresh else rng
        partners, kept = rng.permutation(len(x[0])), float(rng.beta(self.alpha, self.alpha))
        rows = columns = slice(None)
        if self.type == "cutmix":
            rows, columns, kept = mixing.rectangle(x[0].shape[-2:], kept, rng)
        for k, (own, mixed) in enumerate(zip(x, out[0], strict=True)):
            chosen = second(partners, rng) if k else partners
            if self.type == "cutmix":
                mixed[...] = own
                mixed[:, :, rows, columns] = own[chosen][:, :, rows, columns]
            else:
                blended(own, mixed, chosen, kept)
        for own, mixed in zip(y, out[1], strict=True):
            blended(own, mixed, *labels(partners, kept, rng))

    return lambda right: mix


def of_rectangle(change):
    """Return a change of the rectangle that is cut, given what was asked for."""
    return lambda right: lambda shape, kept, rng: change(right, shape, kept, rng)


def unclipped(right, shape, kept, rng):
    """λ is the share that was drawn, even where the rectangle was cut off."""
    return (*right(shape, kept, rng)[:2], kept)


def without_root(right, shape, kept, rng):
    """The sides have the share 1 − λ, not the area."""
    return right(shape, 1 - (1 - kept) ** 2, rng)


def exchanged(right, shape, kept, rng):
    """λ is the share of what is cut."""
    rows, columns, outside = right(shape, kept, rng)
    return rows, columns, 1 - outside


def in_the_corner(right, shape, kept, rng):
    rows, columns, outside = right(shape, kept, rng)
    return slice(0, rows.stop - rows.start), slice(0, columns.stop - columns.start), outside


def as_a_stripe(right, shape, kept, rng):
    rows, _, _ = right(shape, kept, rng)
    return rows, slice(None), right(shape, kept, rng)[2]


def added(right):
    """The labels of the batch before stay."""

    def gather(self):
        self.given.gather()
        for labels, rows in zip(self.given.targets, self.rows, strict=True):
            np.put_along_axis(rows, labels[..., np.newaxis], 1, axis=-1)
        self.mixing.mix(self.given.inputs, self.rows, (self.inputs, self.targets), self.rng)

    return gather


def in_place(right):
    def mix(self, x, y, out, rng):
        right(self, x, y, (x, out[1]), rng)
        for own, mixed in zip(x, out[0], strict=True):
            mixed[...] = own

    return mix


def without_weights(right):
    def mixed(self, batch):
        found = right(self, batch)
        object.__setattr__(found, "weight", None)
        return found

    return mixed


# place, name, change, test
WRONG = {
    "mixup, labels of other examples": (
        Mixing,
        "mix",
        wrong(labels=lambda partners, kept, rng: (rng.permutation(len(partners)), kept)),
        MIXED,
    ),
    "mixup, partners and their partners": (
        Mixing,
        "mix",
        wrong(labels=lambda partners, kept, rng: (np.argsort(partners), kept)),
        MIXED,
    ),
    "mixup, shares exchanged": (
        Mixing,
        "mix",
        wrong(labels=lambda partners, kept, rng: (partners, 1 - kept)),
        MIXED,
    ),
    "mixup, labels not mixed": (Mixing, "mix", wrong(labels=lambda partners, kept, rng: (partners, 1.0)), MIXED),
    "mixup, half of each label": (Mixing, "mix", wrong(labels=lambda partners, kept, rng: (partners, 0.5)), MIXED),
    "mixup, a second input of other examples": (
        Mixing,
        "mix",
        wrong(second=lambda partners, rng: rng.permutation(len(partners))),
        partial(of_mixing.test_inputs_of_an_example_are_mixed_with_those_of_one_other, kind="mixup"),
    ),
    "mixup, the same draws for each batch": (
        Mixing,
        "mix",
        wrong(fresh=True),
        of_mixing.test_each_batch_is_mixed_anew_in_the_same_arrays,
    ),
    "mixup, in place": (Mixing, "mix", in_place, of_mixing.test_labels_stay_probabilities_and_the_batch_stays),
    "mixup, labels of the batch before": (
        mixing._Mixed,
        "gather",
        added,
        of_mixing.test_labels_of_the_batch_before_are_forgotten,
    ),
    "mixup, weights left out": (Mixer, "__call__", without_weights, of_mixing.test_weights_stay_those_of_the_examples),
    "cutmix, labels of other examples": (
        Mixing,
        "mix",
        wrong(labels=lambda partners, kept, rng: (np.argsort(partners), kept)),
        CUT,
    ),
    "cutmix, a second input of other examples": (
        Mixing,
        "mix",
        wrong(second=lambda partners, rng: rng.permutation(len(partners))),
        partial(of_mixing.test_inputs_of_an_example_are_mixed_with_those_of_one_other, kind="cutmix"),
    ),
    "cutmix, λ before the rectangle is cut off": (
        mixing,
        "rectangle",
        of_rectangle(unclipped),
        of_mixing.test_cutmix_takes_a_rectangle_of_another_image_and_its_share_of_the_label,
    ),
    "cutmix, shares exchanged": (mixing, "rectangle", of_rectangle(exchanged), CUT),
    "cutmix, a stripe": (mixing, "rectangle", of_rectangle(as_a_stripe), CUT),
    "rectangle, λ before it is cut off": (
        of_mixing,
        "rectangle",
        of_rectangle(unclipped),
        partial(of_mixing.test_rectangle_has_the_share_that_it_says, kept=0.3),
    ),
    "rectangle, sides without the root": (
        of_mixing,
        "rectangle",
        of_rectangle(without_root),
        of_mixing.test_rectangle_in_the_middle_has_the_area_asked_for,
    ),
    "rectangle, in the corner": (
        of_mixing,
        "rectangle",
        of_rectangle(in_the_corner),
        of_mixing.test_rectangle_is_anywhere_all_alike_likely,
    ),
}


def run(test, request):
    """Run a test with the fixtures that it asks for, for each of several seeds if it takes one."""
    names = [name for name, each in inspect.signature(test).parameters.items() if each.default is each.empty]
    fixtures = {name: request.getfixturevalue(name) for name in names if name != "seed"}
    for seeds in [{"seed": seed} for seed in range(8)] if "seed" in names else [{}]:
        test(**fixtures, **seeds)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_mixing_is_found(name, request, monkeypatch):
    place, attribute, change, test = WRONG[name]
    monkeypatch.setattr(place, attribute, change(getattr(place, attribute)))
    with pytest.raises(AssertionError):
        run(test, request)


@pytest.mark.parametrize("name", WRONG)
def test_right_mixing_passes_the_same_test(name, request):
    run(WRONG[name][3], request)


@pytest.mark.parametrize("test", [MIXED, CUT], ids=["mixup", "cutmix"])
def test_mix_that_is_changed_in_nothing_passes(test, request, monkeypatch):
    monkeypatch.setattr(Mixing, "mix", wrong()(Mixing.mix))
    run(test, request)
