from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_clash_second_ripple:Ripple", "a ripple")
