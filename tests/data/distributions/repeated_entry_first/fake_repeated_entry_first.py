from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple_one", "fake_repeated_entry_first_ripple:Ripple", "a ripple")
