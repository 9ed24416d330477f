from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_missing_module_ripple:Ripple", "a ripple")
