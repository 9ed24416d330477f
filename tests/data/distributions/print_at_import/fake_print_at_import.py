from nnfw.plugins import ComponentSpec, hookimpl

print("hello from a plugin")  # noqa: T201


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "ripple", "fake_print_at_import_ripple:Ripple", "a ripple")
