from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_same_second_ripple:Ripple", "a ripple")
