"""Which checks there are, what they say, and how they are run."""

from dataclasses import dataclass

import pytest

import nnfw
from nnfw.conformance.running import all_checks
from nnfw.plugins import default_registry
from nnfw.protocols import KINDS
from nnfw.testing import Check, Conformance, Outcome, checks_of, run_checks, subjects_of
from nnfw_standard import Dense, ReLU

GRADIENT = "activation.delta_is_the_gradient"


@dataclass(frozen=True)
class Wrong(ReLU):
    def delta(self, grad_a, z, a, workspace):
        return super().delta(grad_a, z, a, workspace) * 1.0001


def test_there_are_at_least_60_checks_each_with_an_id_and_a_meaning_of_its_own():
    checks = all_checks()
    assert len(checks) >= 60
    assert len({check.id for check in checks}) == len(checks)
    for kind in KINDS:
        meanings = [check.meaning for check in checks_of(kind)]
        assert len(set(meanings)) == len(meanings)
    assert all(check.meaning.endswith(".") for check in checks)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_common_checks_and_some_of_its_own(kind):
    prefixes = [check.id.partition(".")[0] for check in checks_of(kind)]
    assert prefixes == sorted(prefixes, key=lambda prefix: prefix != "component")
    assert set(prefixes) == {"component", kind}


def test_outcomes_are_in_the_order_of_components_and_checks():
    report = run_checks("relu", "tanh")
    assert [(item.component, item.check) for item in report.outcomes] == [
        (f"activation {name}", check.id) for name in ("relu", "tanh") for check in checks_of("activation")
    ]


def test_expected_failure_that_fails_is_ok_and_says_why():
    report = run_checks(Wrong(), only=[GRADIENT], expected_failures={GRADIENT: "planted"})
    (outcome,) = report.outcomes
    assert report.ok
    assert outcome.status == "expected"
    assert outcome.message.startswith("planted (")


@pytest.mark.parametrize("key", [GRADIENT, f"relu:{GRADIENT}"])
def test_expected_failure_that_passes_is_a_failure(key):
    report = run_checks("relu", only=[GRADIENT], expected_failures={key: "planted"})
    assert not report.ok
    assert report.outcomes[0].message == (
        "it passes, but a failure is expected: planted. Take it out of expected_failures."
    )


def test_component_that_cannot_be_made_is_asked_nothing_else():
    @dataclass(frozen=True)
    class Refusing(ReLU):
        def __post_init__(self):
            raise ValueError("planted")

    bare = object.__new__(Refusing)
    report = run_checks(bare)
    assert [item.check for item in report.failures] == ["component.constructible"]
    assert {item.message for item in report.outcomes if item.status == "skipped"} == {"the component cannot be made"}


def test_initializer_that_is_only_a_name_fails_one_check_with_advice():
    @dataclass(frozen=True)
    class Literal(Dense):
        """A dense layer whose initializer is no option."""

        def parameters(self, input_shape):
            return {"weight": nnfw.Parameter((self.units, *input_shape), "zeros")}

    report = run_checks(Literal(2))
    failures = {item.check: item.message for item in report.failures if item.check.startswith("layer.")}
    assert failures.pop("layer.parameters_are_real") == (
        "the initializer of weight is the name 'zeros', expected a component. Make it an option of the layer, "
        "annotated Initializer | str: the names of options are replaced."
    )
    assert failures == {}
    skipped = {item.message for item in report.outcomes if item.check == "layer.keeps_float32"}
    assert skipped == {"an initializer is only a name, as layer.parameters_are_real says"}


def test_error_without_words_is_shown_with_its_place():
    def check_that_asserts(subject):
        raise AssertionError

    (subject,) = subjects_of("relu", default_registry())
    outcome = Check("layer.x", check_that_asserts).run(subject)
    assert outcome.message.startswith("AssertionError at 'raise AssertionError' (")
    assert outcome.message.endswith(f"test_running.py:{check_that_asserts.__code__.co_firstlineno + 1})")


def test_after_three_checks_that_do_not_come_back_the_others_are_left_out():
    @dataclass(frozen=True)
    class Looping(ReLU):
        def forward(self, z, workspace):
            while True:
                pass

    report = run_checks(Looping(), seconds=0.05)
    messages = [item.message for item in report.failures]
    assert sum("did not come back within 0.05 s" in message for message in messages) == 3
    assert "3 checks did not come back" in {item.message for item in report.outcomes}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["rleu"], {}, nnfw.UnknownComponentError, r"Unknown component 'rleu'. Did you mean 'relu'\?.*Distributions: "),
        (
            ["relu"],
            {"only": ["activation.x"]},
            nnfw.ConfigError,
            r"Unknown check 'activation\.x'\..* 'nnfw check --list' shows all\.$",
        ),
        (["relu"], {"expected_failures": {"a:b.c": "x"}}, nnfw.ConfigError, r"Unknown check 'b\.c'"),
        (["relu"], {"options": {"alpha": 1}}, nnfw.ConfigError, "alpha is not an option"),
        (
            ["npy"],
            {},
            nnfw.ConfigError,
            r"Give a value for x: npy:x=\.\.\. checks it with that; its plugin can declare",
        ),
        ([3], {}, nnfw.UnknownComponentError, "3 is no component; expected a name, or an object whose class derives"),
        ([ReLU], {}, nnfw.UnknownComponentError, "is no component; expected a name, or an object"),
    ],
    ids=["name", "only", "expected", "options", "needs options", "number", "class"],
)
def test_what_cannot_be_checked_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        run_checks(*arguments, **options)


def test_progress_is_told_each_component():
    names = []
    run_checks("relu", "tanh", only=[GRADIENT], progress=lambda subject: names.append(subject.name))
    assert names == ["activation relu", "activation tanh"]


def test_report_as_text_and_table():
    report = Conformance(
        (
            Outcome("layer a", "layer.x", "passed"),
            Outcome("layer a", "layer.y", "failed", "it is wrong"),
            Outcome("layer b", "layer.x", "skipped", "no reason"),
        )
    )
    assert str(report) == "layer a: layer.y failed: it is wrong\n1 failed, 1 passed, 1 skipped"
    assert report.rows() == [("layer a", "1", "1", "0"), ("layer b", "0", "0", "1")]
    table = report.to_table()
    assert table["ok"] is False
    assert table["outcomes"][1] == {
        "component": "layer a",
        "check": "layer.y",
        "status": "failed",
        "message": "it is wrong",
    }


def test_transform_is_tried_with_other_numbers_too_since_a_factor_of_1_does_not_show():
    report = run_checks("transform:min_max", only=["transform.is_undone_by_invert"])
    assert [item.component for item in report.outcomes] == ["transform min_max", "transform min_max(low=0.1, high=0.8)"]
