from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple_two", "fake_repeated_entry_second_ripple:Ripple", "a ripple")
