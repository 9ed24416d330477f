from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_component():
    yield ComponentSpec("activation", "ripple", "fake_misspelt_hook:Ripple", "a ripple")
