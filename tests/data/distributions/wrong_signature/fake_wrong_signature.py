from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components(registry):
    yield ComponentSpec("activation", "ripple", "fake_wrong_signature:Ripple", "a ripple")
