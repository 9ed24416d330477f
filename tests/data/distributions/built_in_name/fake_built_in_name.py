from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "relu", "fake_built_in_name_relu:Ripple", "another rectifier")
