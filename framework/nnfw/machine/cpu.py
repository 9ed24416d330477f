"""What Linux reports about the CPU."""

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
MODEL_KEYS = ("model name", "Model", "cpu model")  # names on different architectures
FLAG_KEYS = ("flags", "Features")


def cpu_info(characters: int = -1) -> dict[str, str]:
    """Return what the system reports about its first core; empty if it has no such file.

    At most `characters` are read: the file has some 1,500 for each core, and the system writes it while it is read.
    """
    try:
        with CPU_INFO.open(encoding="utf-8", errors="replace") as file:
            text = file.read(characters)
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in reversed(list(pairs)) if value.strip()}


def cpu_flags(info: dict[str, str]) -> set[str]:
    """Return the flags in the result of :func:`cpu_info`."""
    return set(next((info[key] for key in FLAG_KEYS if key in info), "").split())
