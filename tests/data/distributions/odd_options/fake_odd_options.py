from nnfw.plugins import ComponentSpec, hookimpl


@hookimpl
def nnfw_components():
    yield ComponentSpec(
        "activation", "unreadable_annotation", "fake_odd_options_classes:UnreadableAnnotation", "an odd one"
    )
    yield ComponentSpec("activation", "mutable_default", "fake_odd_options_classes:MutableDefault", "an odd one")
    yield ComponentSpec("activation", "reserved_option", "fake_odd_options_classes:ReservedOption", "an odd one")
    yield ComponentSpec("activation", "refusing", "fake_odd_options_classes:Refusing", "an odd one")
