from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "Ripple-2", "fake_bad_name:Ripple", "a ripple")
