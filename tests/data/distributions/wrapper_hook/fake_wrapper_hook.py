from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl(wrapper=True)
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_wrapper_hook:Ripple", "a ripple")
