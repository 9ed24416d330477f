from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple_two", "fake_repeated_entry_in_one_ripple:Ripple", "a ripple")
