from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    return ComponentSpec("activation", "ripple", "fake_returns_one:Ripple", "a ripple")
