from nnfw.plugins import hookimpl


@hookimpl
def nnfw_components():
    yield ("activation", "ripple", "fake_no_spec:Ripple", "a ripple")
