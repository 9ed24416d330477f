from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    ComponentSpec("activation", "ripple", "fake_returns_none:Ripple", "a ripple")
