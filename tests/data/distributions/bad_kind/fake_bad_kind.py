from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activaton", "ripple", "fake_bad_kind:Ripple", "a ripple")
