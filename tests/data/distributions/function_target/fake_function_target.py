from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_function_target_ripple:ripple", "a ripple")
