"""Files: whole or not at all, as the user had them, and an obstacle is found before the work."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, draw_dot, explore, problem
from tinygrad_rnn.bptt import decay
from tinygrad_rnn.data import read_column, read_text
from tinygrad_rnn.errors import ArgumentError, DataError
from tinygrad_rnn.interop import load_safetensors, save_safetensors
from tinygrad_rnn.plots.saving import new_figure, save
from tinygrad_rnn.support import files
from tinygrad_rnn.support.files import check_appendable, check_writable, same_file, sole_writer, write_whole
from tinygrad_rnn.sweep import read_records, sweep
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import History, RecurrentNetwork, load_checkpoint, train

from ..ordinary_user import IS_ROOT, as_root, ordinary_user

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners, modes and devices of POSIX")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with ordinary_user() as folder:
        yield folder


def read_only_folder() -> str:
    Path("shut").mkdir(mode=0o555)
    return "shut/x"


def folder_that_may_not_be_entered() -> str:
    Path("shut").mkdir(mode=0o600)
    return "shut/x"


def no_folder() -> str:
    return "no/x"


def file_as_folder() -> str:
    Path("file").touch()
    return "file/x"


def folder_itself() -> str:
    Path("x").mkdir()
    return "x"


def folder_that_is_not_there() -> str:
    return "x/"


def long_name() -> str:
    return "x" * 300


def write_protected() -> str:
    Path("x").write_text("old")
    Path("x").chmod(0o444)
    return "x"


def hard_link() -> str:
    Path("x").write_text("old")
    os.link("x", "y")
    return "x"


def circle_of_links() -> str:
    os.symlink("x", "y")
    os.symlink("y", "x")
    return "x"


def others_file_that_all_may_write() -> str:
    with as_root():
        Path("x").write_text("old")
        Path("x").chmod(0o666)
    return "x"


def others_file_in_a_sticky_folder() -> str:
    with as_root():
        Path("shared").mkdir()
        Path("shared").chmod(0o1777)
        Path("shared/x").write_text("old")
        Path("shared/x").chmod(0o666)
    return "shared/x"


def file_of_a_group_that_the_user_is_not_in() -> str:
    Path("x").write_text("old")
    with as_root():
        os.chown("x", -1, 0)
    return "x"


def full_device() -> str:
    return "/dev/full"


OBSTACLES: dict[Callable[[], str], str] = {
    read_only_folder: "permission denied",
    folder_that_may_not_be_entered: "permission denied",
    no_folder: "there is no such folder",
    file_as_folder: "there is no such folder",
    folder_itself: "it is a folder",
    folder_that_is_not_there: "it is a folder",
    long_name: "its name is too long",
    write_protected: "it is write-protected",
    hard_link: "it has 2 hard links, which writing it would part",
    circle_of_links: "its links lead in a circle",
    full_device: "there is no space left",
}
OTHERS: dict[Callable[[], str], str] = {
    others_file_that_all_may_write: "it has another owner, which writing it would change",
    others_file_in_a_sticky_folder: "it has another owner, which writing it would change",
    file_of_a_group_that_the_user_is_not_in: "it has another group, which writing it would change",
}


def state_of(path: str | Path) -> tuple[int, ...]:
    """What must stay the same of a file or a folder; of a file also its times, to the nanosecond.

    A folder was read when it is looked into, and has changed when a file was written in it on trial. When a file was
    last read is nobody's concern.
    """
    s = os.lstat(path)
    times = () if stat.S_ISDIR(s.st_mode) else (s.st_size, s.st_mtime_ns, s.st_ctime_ns)
    return s.st_mode, s.st_ino, s.st_nlink, s.st_uid, s.st_gid, *times


@pytest.mark.parametrize(
    "obstacle",
    [*OBSTACLES, *(pytest.param(o, marks=pytest.mark.skipif(not IS_ROOT, reason="only root can")) for o in OTHERS)],
)
def test_what_cannot_be_written_is_found_before_the_work_and_stays_as_it_was(
    obstacle: Callable[[], str], folder: Path
) -> None:
    path = obstacle()
    before = {path: state_of(path) for path in Path().rglob("*")}
    with pytest.raises(DataError) as found:
        check_writable(path)
    assert str(found.value) == f"cannot write {path!r}: {(OBSTACLES | OTHERS)[obstacle]}. Choose another place"
    with pytest.raises(OSError, match=re.escape(repr(path))):  # it names the file as it was given
        write_whole(path, "new")
    assert {path: state_of(path) for path in Path().rglob("*")} == before


def test_a_full_disk_is_found_before_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DataError, match="there is no space left"):
        check_writable("x")
    assert not os.listdir()


def test_a_limit_on_the_size_of_files_is_found_before_the_work(empty_folder: Path) -> None:
    code = """
import resource
from tinygrad_rnn.support.files import check_writable
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
check_writable("x", size=10_000)
check_writable("x", size=10_001)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stderr.endswith("cannot write 'x': it would be larger than a file may be. Choose another place\n")
    assert not os.listdir()


def test_a_file_that_is_a_mount_point_is_found_before_the_work(empty_folder: Path) -> None:
    name = "a b\\c\td\n"
    Path("source").write_text("source")
    Path(name).write_text("old")
    script = 'mount --bind source "$1" && shift && "$@"'
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", name]
    try:
        subprocess.run([*mounted, "true"], check=True, capture_output=True, timeout=100)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file can be mounted here: {error}")
    code = f"""
from tinygrad_rnn.support.files import *
for use in (check_writable, lambda name: write_whole(name, "new")):
    try:
        use({name!r})
    except (DataError, OSError) as error:
        print(error)
"""
    done = subprocess.run([*mounted, sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.count("it is mounted as a single file, which cannot be replaced") == 2, done
    assert sorted(os.listdir()) == sorted([name, "source"])
    assert (Path(name).read_text(), Path("source").read_text()) == ("old", "source")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 235, "x"])
def test_a_name_may_be_as_long_as_the_file_system_allows(name: str, folder: Path) -> None:
    check_writable(name)
    assert not os.listdir()
    write_whole(name, "new")
    assert os.listdir() == [name]


def test_a_check_leaves_nothing_and_touches_nothing(folder: Path) -> None:
    check_writable("x")
    assert not os.listdir()
    write_whole("x", "content")
    before = state_of("x")
    check_writable("x")
    assert state_of("x") == before
    assert os.listdir() == ["x"]


def test_mode_owner_attributes_and_symbolic_links_stay(folder: Path) -> None:
    Path("x").write_text("old")
    Path("x").chmod(0o640)
    os.symlink("x", "link")
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "setxattr"):
            try:
                os.setxattr("x", "user.note", b"mine")
            except OSError:
                patch.setattr(os, "listxattr", lambda _: [])  # a file system without them
        write_whole("link", "new")
        assert [os.getxattr("x", name) for name in os.listxattr("x")] in ([], [b"mine"])
    assert Path("link").is_symlink()
    assert Path("x").read_text() == "new"
    assert stat.S_IMODE(os.stat("x").st_mode) == 0o640


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
def test_root_leaves_a_file_its_owner(folder: Path) -> None:
    Path("x").write_text("old")
    owner = os.stat("x").st_uid
    with as_root():
        check_writable("x")
        write_whole("x", "new")
        assert os.stat("x").st_uid == owner != 0


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_mode_of_any_new_file(mask: int, folder: Path) -> None:
    before = os.umask(mask)
    try:
        write_whole("x", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat("x").st_mode) == 0o666 & ~mask


def test_content_and_entry_are_on_the_disk_before_a_file_counts_as_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def sync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")

    def replace(old: str, new: Path) -> None:
        done.append("rename")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    write_whole("x", "new")
    assert done == ["content", "rename", "folder"]


def test_a_pipe_is_written_to_once(folder: Path) -> None:
    os.mkfifo("pipe")
    check_writable("pipe")
    with pytest.raises(DataError, match="only a regular file can be written again and again"):
        check_writable("pipe", again=True)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    write_whole("pipe", "new")
    reader.join()
    assert read == ["new"]
    Path("pipe").chmod(0o400)
    with pytest.raises(DataError, match="permission denied"):
        check_writable("pipe")


def test_a_shell_may_put_a_pipe_in_place_of_a_file(folder: Path) -> None:
    Path("write.py").write_text(
        "import sys\n"
        "from tinygrad_rnn.support.files import check_writable, write_whole\n"
        "check_writable(sys.argv[1])\n"
        "write_whole(sys.argv[1], 'new')\n"
    )
    command = f"'{sys.executable}' write.py >(cat) | cat"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("new", "")


def test_devices_are_written_to(folder: Path) -> None:
    check_writable("/dev/null", again=True)
    write_whole("/dev/null", "new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_what_is_added_to_keeps_its_links(folder: Path) -> None:
    Path("x").write_text("old")
    os.link("x", "y")
    check_appendable("x")
    check_appendable("new")
    with pytest.raises(DataError, match="there is no such folder"):
        check_appendable("no/x")
    Path("x").chmod(0o444)
    with pytest.raises(DataError, match="permission denied"):
        check_appendable("x")
    assert sorted(os.listdir()) == ["x", "y"]


def test_the_same_file_by_two_names(folder: Path) -> None:
    os.symlink("x", "link")
    assert same_file("link", "./x")
    assert not same_file("x", "y")
    assert not same_file("/dev/null", "/dev/null")


def test_a_write_that_fails_leaves_the_old_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole("x", "old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_keep_owner", fail)
    with pytest.raises(KeyboardInterrupt):
        write_whole("x", "new")
    assert os.listdir() == ["x"]
    assert Path("x").read_text() == "old"


def test_a_file_has_one_writer_at_a_time(folder: Path) -> None:
    with sole_writer("x"):
        with (
            pytest.raises(DataError, match=r"is writing '\./x'\. Wait for it, or give another file$"),
            sole_writer("./x"),
        ):
            pass
        with sole_writer("y"):
            assert sorted(os.listdir()) == [".x.lock", ".y.lock"]
        write_whole("x", "content")
        with pytest.raises(DataError, match="another process"), sole_writer("x"):
            pass
    assert os.listdir() == ["x"]
    with sole_writer("x"):
        pass


def test_a_writer_that_was_killed_keeps_nobody_away(empty_folder: Path) -> None:
    code = (
        "import os; from tinygrad_rnn.support.files import sole_writer\n"
        "with sole_writer('x'): os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60)
    assert os.listdir() == [".x.lock"]
    with sole_writer("x"):
        pass
    assert not os.listdir()


def test_a_writer_that_comes_as_the_lock_is_removed_makes_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = files.lock, []

    def removed_first(file: IO[Any]) -> bool:
        if not removed:
            removed.append(True)
            os.unlink(".x.lock")  # by who held it until now
        return real(file)

    monkeypatch.setattr(files, "lock", removed_first)
    with sole_writer("x"):
        assert os.listdir() == [".x.lock"]
        with pytest.raises(DataError, match="another process"), sole_writer("x"):
            pass


def test_many_processes_take_turns(empty_folder: Path) -> None:
    code = """
import os, sys, time
from tinygrad_rnn import RNNCell, ScalarRNNCell, Value, draw_dot, explore, problem
from tinygrad_rnn.bptt import decay
from tinygrad_rnn.data import read_column, read_text
from tinygrad_rnn.errors import ArgumentError, DataError
from tinygrad_rnn.interop import load_safetensors, save_safetensors
from tinygrad_rnn.plots.saving import new_figure, save
from tinygrad_rnn.support.files import sole_writer
done = 0
while done < 50:
    try:
        with sole_writer("x"):
            os.close(os.open("held", os.O_CREAT | os.O_EXCL))  # fails if another is here
            os.unlink("held")
            done += 1
    except DataError:
        time.sleep(0.001)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, complaint = process.communicate(timeout=100)
        assert (process.returncode, complaint) == (0, b"")
    assert not os.listdir()


def experiment(seed: int) -> float:
    return 0.0


ROUTES: dict[str, Callable[[Any], object]] = {
    "write_whole": lambda path: write_whole(path, ""),
    "check_writable": check_writable,
    "check_appendable": check_appendable,
    "read_bounded": lambda path: files.read_bounded(path, 1),
    "sole_writer": lambda path: sole_writer(path).__enter__(),
    "same_file": lambda path: same_file("x", path),
    "sweep": lambda path: sweep(experiment, [()], file=path),
    "read_records": read_records,
    "read_column": lambda path: read_column(path, "a"),
    "read_text": read_text,
    "save_safetensors": lambda path: save_safetensors(RNNCell(1, 1), path),
    "load_safetensors": lambda path: load_safetensors(RNNCell(1, 1), path),
    "load_checkpoint": load_checkpoint,
    "train": lambda path: train(RecurrentNetwork.for_task(Latch(5), "rnn", 1), Latch(5), checkpoint=path),
    "History.write_csv": History("", "", 0.0, 0.0).write_csv,
    "History.write_json": History("", "", 0.0, 0.0).write_json,
    "decay.write_csv": lambda path: decay.write_csv([], path),
    "decay.write_json": lambda path: decay.write_json([], path),
    "draw_dot.save": lambda path: draw_dot(Value(1.0)).save(path),
    "draw_dot.render": lambda path: draw_dot(Value(1.0)).render(path),
    "draw_dot.render in a folder": lambda path: draw_dot(Value(1.0)).render("x", path),
    "explore.save": lambda path: explore(problem(ScalarRNNCell(), [0.1], [0.1])).save(path),
    "plots.save": lambda path: save(new_figure(1, 1), path),
}


@pytest.mark.parametrize("path", ["a\0.svg", "a\ud800.svg", b"a\0.svg", 3, [1]], ids=repr)
@pytest.mark.parametrize("route", ROUTES)
def test_what_no_file_can_be_called_is_one_error(route: str, path: object, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="is not the name of a file"):
        ROUTES[route](path)


def test_bytes_are_a_name(empty_folder: Path) -> None:
    write_whole(b"\xff".decode(errors="surrogateescape"), "new")
    assert os.listdir(b".") == [b"\xff"]
    assert files.read_bounded(b"\xff", 9) == b"new"  # type: ignore[arg-type]
    assert draw_dot(Value(1.0)).save(b"x.txt") == Path("x.txt")  # type: ignore[arg-type]


def test_a_device_is_not_locked(folder: Path) -> None:
    with sole_writer("/dev/null"), sole_writer("/dev/null"):
        assert not os.listdir()
