from nnfw.plugins import ComponentSpec


def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_unmarked_hook:Ripple", "a ripple")
