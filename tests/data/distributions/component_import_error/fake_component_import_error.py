from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_component_import_error_ripple:Ripple", "a ripple")
