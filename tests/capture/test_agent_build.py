"""The native agent depends on nothing that a target may lack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.attaching import agent_file

# Without a version each binds to whatever C library the target has. All of these are exported by
# glibc 2.17 (2013) and later and by musl; `fstat` for one is not (glibc before 2.33).
EVERYWHERE = """
    __errno_location clock_gettime close connect dl_iterate_phdr dladdr dlclose dlopen dlsym
    fcntl free getpid getrlimit memchr memcmp memcpy memmove memset mmap munmap nanosleep open
    poll prctl process_vm_readv process_vm_writev pthread_attr_destroy pthread_attr_init
    pthread_attr_setdetachstate pthread_attr_setstacksize pthread_create pthread_mutex_lock
    pthread_mutex_unlock pthread_self pthread_sigmask read recv send sendmsg setitimer
    setpriority setsockopt shutdown sigaction sigaltstack sigemptyset sigfillset sigprocmask
    socket socketpair stpcpy strchr strcmp strcpy strcspn strlen strncmp strnlen strrchr strstr
    syscall wait4
"""
PERHAPS = frozenset(
    ["__cxa_finalize", "__cxa_thread_atexit_impl", "__register_atfork", "pthread_atfork"]
)
"""Used only where they exist."""


def said_by(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    agent = str(agent_file("native-agent"))
    return subprocess.run([*command, agent], capture_output=True, text=True, check=True).stdout


def test_it_needs_no_library() -> None:
    assert "NEEDED" not in said_by("readelf", "-dW")


def test_no_symbol_is_bound_to_a_version() -> None:
    assert "No version information found" in said_by("readelf", "-VW")


def test_it_calls_only_what_every_c_library_has() -> None:
    kinds: dict[str, set[str]] = {"U": set(), "w": set()}
    for line in said_by("nm", "-D", "--undefined-only").splitlines():
        kind, name = line.split()
        kinds[kind].add(name)
    assert kinds["U"] - set(EVERYWHERE.split()) == set()
    assert kinds["w"] - PERHAPS == set()


def test_it_shows_nothing_to_others() -> None:
    assert said_by("nm", "-D", "--defined-only") == ""


def test_its_stack_is_not_executable() -> None:
    (line,) = [x for x in said_by("readelf", "-lW").splitlines() if "GNU_STACK" in x]
    assert "RWE" not in line


@pytest.mark.parametrize(("system", "agent"), [("Linux", True), ("FreeBSD", False)])
def test_it_is_built_on_linux_alone_and_the_kernels_everywhere(
    system: str, agent: bool, tmp_path: Path
) -> None:
    if shutil.which("cmake") is None or shutil.which("cc") is None:
        pytest.skip("needs cmake and a compiler")
    root = Path(__file__).parents[2]
    configure = ["cmake", "-S", str(root), "-B", str(tmp_path), f"-DCMAKE_SYSTEM_NAME={system}"]
    subprocess.run(configure, check=True, capture_output=True, timeout=120)
    listing = ["cmake", "--build", str(tmp_path), "--target", "help"]
    targets = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=120)

    assert ("leakscope_agent" in targets.stdout) == agent
    assert "leakscope_kernels" in targets.stdout
