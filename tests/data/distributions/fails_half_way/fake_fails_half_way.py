from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_fails_half_way:Ripple", "a ripple")
    raise OSError("the list of components cannot be read")
