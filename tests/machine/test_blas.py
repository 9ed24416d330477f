"""Who chooses the kernels of BLAS: nnfw, the user or OpenBLAS; and that the choice reaches OpenBLAS."""

import json
import os
import subprocess
import sys

import pytest

from nnfw.machine import blas, cpu, describe_environment

ALL = "avx avx2 avx512f avx512dq avx512cd avx512bw avx512vl"
CPUS = {
    # What /proc/cpuinfo says of CPUs, and what OpenBLAS 0.3.27 to 0.3.34 make of their vendor, family and model.
    "Cannon Lake": ("GenuineIntel", 6, 102, f"{ALL} avx512ifma avx512vbmi", "Haswell"),
    "Diamond Rapids": ("GenuineIntel", 19, 1, f"{ALL} avx512_bf16 amx_tile", "Prescott"),
    "Skylake-X": ("GenuineIntel", 6, 85, ALL, "SkylakeX"),
    "Ice Lake SP": ("GenuineIntel", 6, 106, f"{ALL} avx512_vnni", "SkylakeX"),
    "Tiger Lake": ("GenuineIntel", 6, 141, f"{ALL} avx512_vp2intersect", "SkylakeX"),
    "Sapphire Rapids": ("GenuineIntel", 6, 143, f"{ALL} avx512_bf16 amx_tile", "SkylakeX"),
    "Emerald Rapids": ("GenuineIntel", 6, 207, f"{ALL} avx512_bf16 amx_tile", "SkylakeX"),
    "Granite Rapids": ("GenuineIntel", 6, 173, f"{ALL} avx512_bf16 amx_tile", "SkylakeX"),
    "Zen 4": ("AuthenticAMD", 25, 17, f"{ALL} avx512_bf16", "SkylakeX"),
    "Zen 5": ("AuthenticAMD", 26, 2, f"{ALL} avx512_vp2intersect", "SkylakeX"),
    "Zen 2": ("AuthenticAMD", 23, 49, "avx avx2", "Haswell"),
    "Knights Landing": ("GenuineIntel", 6, 87, "avx avx2 avx512f avx512pf avx512er avx512cd", "Haswell"),
    "Pentium 4": ("GenuineIntel", 15, 2, "sse sse2", "Prescott"),
}
CONFIG = """\
CONFIG = _cleanup({
        "Build Dependencies": {
            "blas": {
                "name": "%s",
                "found": True,
                "version": "%s",
            },
            "lapack": {
                "name": "other",
                "version": "9.9.9",
            },
        },
    }
)
"""


def cpuinfo(name, cores=2):
    vendor, family, model, flags, _ = CPUS[name]
    lines = f"vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {name}\n"
    return "".join(
        f"processor\t: {core}\n{lines}flags\t\t: fpu {flags}\npower management:\n\n" for core in range(cores)
    )


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes this process see another CPU, another NumPy and other variables."""

    def make(name="Cannon Lake", config=CONFIG % ("scipy-openblas", "0.3.31.188.0"), numpy_imported=False, **variables):
        package = tmp_path / "numpy"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "__config__.py").write_text(config)
        (tmp_path / "cpuinfo").write_text(cpuinfo(name))
        monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
        monkeypatch.syspath_prepend(tmp_path)
        if not numpy_imported:
            monkeypatch.delitem(sys.modules, "numpy")
        for variable in (blas.CORE_VARIABLE, blas.VARIABLE):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)

    blas.choose_blas_kernels.cache_clear()
    yield make
    blas.choose_blas_kernels.cache_clear()


@pytest.mark.parametrize("name", CPUS)
def test_choose_blas_kernels_sets_them_where_openblas_overlooks_avx512_only(machine, name):
    machine(name)
    *_, flags, kernels = CPUS[name]
    overlooked = set(flags.split()) >= blas.NEEDED and kernels != "SkylakeX"
    assert blas.choose_blas_kernels().chosen_by == ("nnfw" if overlooked else "library")
    assert os.environ.get("OPENBLAS_CORETYPE") == ("SkylakeX" if overlooked else None)


def test_choose_blas_kernels_says_which_openblas_takes_which_cpu_for_old(machine):
    machine()
    assert blas.choose_blas_kernels().reason == "OpenBLAS 0.3.31 takes Cannon Lake for one without AVX-512"


@pytest.mark.parametrize("missing", sorted(blas.NEEDED))
def test_choose_blas_kernels_one_flag_missing_leaves_it_to_openblas(machine, tmp_path, missing):
    machine()
    (tmp_path / "cpuinfo").write_text(cpuinfo("Cannon Lake").replace(f" {missing}", ""))
    choice = blas.choose_blas_kernels()
    assert choice.reason == "the system reports no CPU with all of AVX-512 that is needed"
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize("value", ["Haswell", "nonsense", ""])
def test_choose_blas_kernels_variable_of_the_user_wins(machine, value):
    machine(OPENBLAS_CORETYPE=value, NNFW_BLAS_KERNELS="auto")
    choice = blas.choose_blas_kernels()
    assert choice == blas.KernelChoice("environment", f"OPENBLAS_CORETYPE={value} was set before")
    assert os.environ["OPENBLAS_CORETYPE"] == value


@pytest.mark.parametrize(
    ("value", "chosen_by", "reason"),
    [
        ("default", "library", "NNFW_BLAS_KERNELS is 'default'"),
        ("of", "library", "NNFW_BLAS_KERNELS is 'of', which is neither 'auto' nor 'default': nothing is set"),
        ("auto", "nnfw", "OpenBLAS 0.3.31 takes Cannon Lake for one without AVX-512"),
        ("", "nnfw", "OpenBLAS 0.3.31 takes Cannon Lake for one without AVX-512"),
    ],
    ids=["default", "nonsense", "auto", "empty"],
)
def test_choose_blas_kernels_follows_its_own_variable(machine, value, chosen_by, reason):
    machine(NNFW_BLAS_KERNELS=value)
    assert blas.choose_blas_kernels() == blas.KernelChoice(chosen_by, reason)
    assert ("OPENBLAS_CORETYPE" in os.environ) is (chosen_by == "nnfw")


def test_choose_blas_kernels_after_numpy_sets_nothing_and_says_so(machine):
    machine(numpy_imported=True)
    assert blas.choose_blas_kernels().reason == "NumPy was imported before nnfw: import nnfw first"
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize(
    "config",
    [
        CONFIG % ("mkl-sdl", "2023.1"),
        CONFIG % ("accelerate", "unknown"),
        CONFIG % ("openblas", "0.3.31"),  # conda-forge's and a distribution's, with kernels for each CPU
        CONFIG % ("scipy-openblas", "0.3.26"),
        CONFIG % ("scipy-openblas", "0.3.35"),
        CONFIG % ("scipy-openblas", "unknown"),
        "",
    ],
    ids=["mkl", "accelerate", "not bundled", "older", "newer", "no version", "empty"],
)
def test_choose_blas_kernels_blas_that_is_not_known_is_left_alone(machine, config):
    machine(config=config)
    assert blas.choose_blas_kernels().reason == "how the BLAS of this NumPy chooses is not known"
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize("left", ["no file", "no numpy", "a namespace"])
def test_choose_blas_kernels_numpy_that_is_incomplete_is_left_alone(machine, monkeypatch, tmp_path, left):
    machine()
    (tmp_path / "numpy" / "__config__.py").unlink()
    if left != "no file":
        (tmp_path / "numpy" / "__init__.py").unlink()
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
    if left == "no numpy":
        (tmp_path / "numpy").rmdir()
    assert blas.choose_blas_kernels().chosen_by == "library"
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize(
    "text",
    [
        "",
        "processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd0c\n",
        f"vendor_id : GenuineIntel\ncpu family : six\nmodel : 102\nflags : {ALL}\n",
        f"vendor_id : GenuineIntel\nmodel : 102\nflags : {ALL}\n",
        f"cpu family : 19\nmodel : 1\nflags : {ALL}\n",
    ],
    ids=["empty", "arm", "no number", "no family", "no vendor"],
)
def test_choose_blas_kernels_cpu_that_is_not_known_is_left_alone(machine, tmp_path, text):
    machine()
    (tmp_path / "cpuinfo").write_text(text)
    assert blas.choose_blas_kernels().chosen_by == "library"
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize("kind", ["missing", "directory", "bytes"])
def test_choose_blas_kernels_cpuinfo_that_cannot_be_read_is_no_error(machine, tmp_path, kind):
    machine()
    path = tmp_path / "cpuinfo"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "bytes":
        path.write_bytes(bytes(range(256)) * 64)
    assert blas.choose_blas_kernels().chosen_by == "library"


def test_cpu_info_reads_no_more_than_it_is_told(machine):
    machine()
    assert cpu.cpu_info(34) == {"processor": "0", "vendor_id": "GenuineI"}


AVX512 = sorted(blas.NEEDED)


@pytest.mark.parametrize(
    ("architectures", "flags", "lost"),
    [
        (["Haswell", "Haswell"], AVX512, "Haswell"),
        (["SkylakeX", "Haswell"], AVX512, "Haswell"),
        (["Zen", "Katmai"], AVX512, "Katmai and Zen"),
        (["SkylakeX", "Cooperlake", "SapphireRapids"], AVX512, None),
        (["Haswell"], AVX512[1:], None),
        (["neoversev1"], [], None),
        ([None], AVX512, None),
        ([], AVX512, None),
    ],
)
def test_lost_kernels_tells_openblas_without_avx512_on_a_cpu_with_it(architectures, flags, lost):
    libraries = [{"internal_api": "openblas", "architecture": name} for name in architectures]
    found = blas.lost_kernels([*libraries, {"internal_api": "mkl", "architecture": "Intel(R) AVX2"}], flags)
    if lost is None:
        assert found is None
    else:
        assert found.startswith(f"OpenBLAS runs {lost} kernels on a CPU with AVX-512: ")
        assert found.endswith("Set OPENBLAS_CORETYPE=SkylakeX before Python starts.")


def run(code, *arguments, **variables):
    """Run code in a process of its own, with these variables and no others that concern kernels."""
    kept = {name: value for name, value in os.environ.items() if name not in (blas.CORE_VARIABLE, blas.VARIABLE)}
    program = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(program, env=kept | variables, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


ON_ANOTHER_CPU = """
import json, os, pathlib, sys
real = pathlib.Path.open
def planted(path, *arguments, **options):
    return real(pathlib.Path(sys.argv[1]) if str(path) == "/proc/cpuinfo" else path, *arguments, **options)
pathlib.Path.open = planted
"""


def test_import_nnfw_sets_the_variable_before_numpy_and_children_inherit_it(tmp_path):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").touch()
    (tmp_path / "numpy" / "__config__.py").write_text(CONFIG % ("scipy-openblas", "0.3.31"))
    (tmp_path / "cpuinfo").write_text(cpuinfo("Diamond Rapids"))
    code = f"""{ON_ANOTHER_CPU}
import nnfw, subprocess
child = subprocess.run([sys.executable, "-c", "import os; print(os.environ['OPENBLAS_CORETYPE'])"],
                       capture_output=True, text=True, check=True)
print(json.dumps([os.environ["OPENBLAS_CORETYPE"], child.stdout, "numpy" in sys.modules]))
"""
    found = run(code, str(tmp_path / "cpuinfo"), PYTHONPATH=str(tmp_path))
    assert found == ["SkylakeX", "SkylakeX\n", False]


real_openblas = pytest.mark.skipif(
    not cpu.cpu_flags(cpu.cpu_info()) >= blas.NEEDED or blas._bundled_openblas() is None,
    reason="needs a CPU with AVX-512 and NumPy's own OpenBLAS",
)
LOADED = """
import json
from nnfw.machine import describe_environment
threads = describe_environment()["threads"]
print(json.dumps([sorted({item["architecture"] for item in threads["libraries"]}), threads["kernels"]]))
"""


@real_openblas
@pytest.mark.parametrize("kernels", ["Haswell", "SkylakeX"])
def test_openblas_takes_what_nnfw_sets_in_the_running_process(tmp_path, kernels):
    (tmp_path / "cpuinfo").write_text(cpuinfo("Cannon Lake"))
    code = f"""{ON_ANOTHER_CPU}
import nnfw
from nnfw.machine import blas
del os.environ["OPENBLAS_CORETYPE"]
blas.KERNELS = {kernels!r}
blas.choose_blas_kernels.cache_clear()
blas.choose_blas_kernels()
{LOADED}"""
    architectures, choice = run(code, str(tmp_path / "cpuinfo"))
    assert (architectures, choice["chosen_by"]) == ([kernels], "nnfw")
    assert (choice["lost"] is None) is (kernels == "SkylakeX")


@real_openblas
@pytest.mark.parametrize("kernels", ["Haswell", "SkylakeX"])
def test_openblas_takes_what_the_user_sets(kernels):
    architectures, choice = run(LOADED, OPENBLAS_CORETYPE=kernels)
    assert (architectures, choice["chosen_by"]) == ([kernels], "environment")
    assert (choice["lost"] is None) is (kernels == "SkylakeX")


def test_openblas_kernels_that_do_not_exist_are_no_error():
    architectures, choice = run(LOADED, OPENBLAS_CORETYPE="nonsense")
    assert choice["reason"] == "OPENBLAS_CORETYPE=nonsense was set before"
    assert architectures != ["nonsense"]


def test_describe_environment_tells_who_chose_the_kernels_and_what_is_lost(monkeypatch):
    monkeypatch.setattr("nnfw.machine.environment.lost_kernels", lambda libraries, flags: "half")
    kernels = describe_environment()["threads"]["kernels"]
    choice = blas.choose_blas_kernels()
    assert kernels == {"chosen_by": choice.chosen_by, "reason": choice.reason, "lost": "half"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_import_nnfw_in_a_process_of_multiprocessing_chooses_the_same_kernels(tmp_path, method):
    (tmp_path / "child.py").write_text(
        """
import json, os, multiprocessing
import nnfw
from nnfw.machine.blas import choose_blas_kernels

def tell(_):
    return os.environ.get("OPENBLAS_CORETYPE"), choose_blas_kernels().chosen_by

if __name__ == "__main__":
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"  # as a choice of nnfw leaves it
    with multiprocessing.get_context(METHOD).Pool(1) as pool:
        print(json.dumps(pool.map(tell, [0])))
""".replace("METHOD", repr(method))
    )
    kept = {name: value for name, value in os.environ.items() if name not in (blas.CORE_VARIABLE, blas.VARIABLE)}
    program = [sys.executable, str(tmp_path / "child.py")]
    result = subprocess.run(program, env=kept, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [["SkylakeX", "library" if method == "fork" else "environment"]]
