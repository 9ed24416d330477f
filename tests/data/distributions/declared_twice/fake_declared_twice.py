from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_declared_twice:Ripple", "a ripple")
    yield ComponentSpec("activation", "ripple", "fake_declared_twice:Ripple", "a ripple")
