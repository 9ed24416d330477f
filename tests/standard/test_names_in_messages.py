"""Names in messages: no standard component, nor what it makes, is called by a class that begins with an underscore."""

import re
from importlib import import_module
from inspect import getmembers, isclass
from pkgutil import walk_packages

import numpy as np
import pytest

import nnfw
import nnfw_standard
from nnfw.conformance.layer_bench import TRIAL_SHAPES
from nnfw.conformance.subjects import subjects_of
from nnfw.data.sources import read_chunk, require_sound
from nnfw.plugins import default_registry
from nnfw.protocols import Source

REGISTRY = default_registry()
BUILT_IN = [item for item in REGISTRY.components() if item.plugin.built_in]
PRIVATE = re.compile(r"(?<!\w)_[A-Za-z]")
MODULES = [import_module(found.name) for found in walk_packages(nnfw_standard.__path__, "nnfw_standard.")]
SOURCES = {
    cls
    for module in MODULES
    for _, cls in getmembers(module, isclass)
    if Source in cls.__mro__ and cls.__module__ == module.__name__
}


@pytest.mark.parametrize("item", BUILT_IN, ids=lambda item: f"{item.kind} {item.name}")
def test_title_of_a_standard_component_is_its_name(item):
    component = object.__new__(REGISTRY.load(item.kind, item.name))  # its options do not matter
    assert REGISTRY.title(component) == f"{item.kind.capitalize()} {item.name!r} (built-in)"


@pytest.mark.parametrize("kind", ["layer", "activation"])
def test_nodes_that_a_standard_component_makes_have_names(kind):
    for item in BUILT_IN:
        for subject in subjects_of(f"{kind}:{item.name}", REGISTRY) if item.kind == kind else []:
            for network in networks_with(subject):
                for place in network.graph.nodes:
                    label = network.graph.label(place)
                    assert re.search(r" '[a-z0-9_]+' \(built-in\)$", label), label
                    assert not PRIVATE.search(label)


def networks_with(subject):
    """Yield networks of a layer, or of an activation of a layer, for the shapes that it takes."""
    layer = subject.make() if subject.kind == "layer" else {"type": "dense", "units": 4, "activation": subject.make()}
    for given in subject.input_shapes or TRIAL_SHAPES:
        shapes = given if isinstance(given[0], tuple) else (given,)
        inputs = {f"x{k}": shape for k, shape in enumerate(shapes)}
        try:
            yield nnfw.Sequential([nnfw.Node(layer, "it", tuple(inputs))], inputs).network
        except (nnfw.ShapeError, nnfw.ConfigError):
            continue


@pytest.mark.parametrize("cls", SOURCES, ids=lambda cls: cls.__name__)
def test_messages_about_a_standard_source_name_its_owner(cls):
    class Broken(cls):
        __qualname__ = cls.__qualname__

        def __init__(self):
            self.schema, self.chunks = np.dtype([("x", "f4")]), [3, 3]

        def read(self, chunk):
            raise OSError("the disk is gone")

    Broken.__name__ = cls.__name__
    with pytest.raises(nnfw.DataError, match=r"^It, chunk 1: its source cannot read it: OSError: the disk is gone"):
        read_chunk(Broken(), 1, "It")
    for name, value in {"schema": None, "chunks": [], "chunks ": [0]}.items():
        source = Broken()
        setattr(source, name.strip(), value)
        with pytest.raises(nnfw.DataError) as caught:
            require_sound(source, "It")
        assert not PRIVATE.search(str(caught.value))
