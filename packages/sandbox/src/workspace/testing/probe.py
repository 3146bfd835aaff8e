# What runs in the guest: tries one thing of a file system when it is asked to, and answers with what it saw.
#
# Standard input has one request a line, ["NAME", "DIRECTORY", ARGUMENTS...], standard output one answer a line: a string, which
# is "ok" where everything was as on a local file system, else an errno's name or what was seen instead. The directory is the
# request's own; two of these programs given the same one are two processes that share files.

import ctypes
import errno
import fcntl
import json
import mmap
import os
import socket
import sqlite3
import stat
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
O_TMPFILE = 0o20200000
held = {}


class Saw(Exception):
    """What was seen instead of what a local file system does."""


def need(condition, seen):
    if not condition:
        raise Saw(str(seen))


def fails(wanted, action, *arguments):
    """The action must fail with this errno."""
    try:
        action(*arguments)
    except OSError as error:
        need(error.errno == getattr(errno, wanted), f"{errno.errorcode[error.errno]} for {wanted}")
        return
    raise Saw(f"no {wanted}")


def put(path, content=b"x", mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    os.write(fd, content)
    os.close(fd)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def called(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def renameat2(old, new, flags):
    called(libc.renameat2(AT_FDCWD, old.encode(), AT_FDCWD, new.encode(), flags))


def as_user(uid, action):
    """Runs the action in a child process of that user; what it saw is ours."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        os.write(writing, answer(action).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        seen = pipe.read()
    os.waitpid(child, 0)
    return seen


# Files and their names.


def create():
    put("new", b"content")
    need(get("new") == b"content", "other content")
    fails("EEXIST", os.open, "new", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    fails("ENOENT", os.open, "absent", os.O_RDONLY)
    fails("ENOTDIR", os.open, "new/below", os.O_RDONLY)
    fails("EISDIR", os.open, ".", os.O_WRONLY)


def append_and_truncate():
    put("file", b"0123456789")
    fd = os.open("file", os.O_RDWR | os.O_APPEND)
    os.write(fd, b"ab")
    os.ftruncate(fd, 4)
    os.write(fd, b"c")
    need(get("file") == b"0123c", get("file"))
    os.truncate("file", 8)
    need(get("file") == b"0123c\0\0\0", get("file"))
    os.close(fd)
    os.close(os.open("file", os.O_WRONLY | os.O_TRUNC))
    need(os.stat("file").st_size == 0, "not emptied")


def vectors():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    need(os.pwritev(fd, [b"abc", b"", b"defg"], 2) == 7, "a short write")
    parts = [bytearray(4), bytearray(5)]
    need(os.preadv(fd, parts, 0) == 9, "a short read")
    need(b"".join(parts) == b"\0\0abcdefg", parts)
    target = os.open("copy", os.O_RDWR | os.O_CREAT)
    need(os.copy_file_range(fd, target, 9, 0, 0) == 9 and get("copy") == get("file"), "copy_file_range")
    sent = os.open("sent", os.O_RDWR | os.O_CREAT)
    need(os.sendfile(sent, fd, 0, 9) == 9 and get("sent") == get("file"), "sendfile")


def rename_over():
    put("a", b"a")
    put("b", b"b")
    fd = os.open("b", os.O_RDONLY)
    os.rename("a", "b")
    need(get("b") == b"a", "the old file under the new name")
    need(os.read(fd, 9) == b"b", "an open file changed")
    os.close(fd)
    fails("ENOENT", os.stat, "a")
    os.link("b", "c")
    os.rename("b", "c")
    need(os.path.exists("b"), "one of two names of a file is gone after rename, which does nothing then")


def rename_directories():
    os.makedirs("full/below")
    put("full/below/file", b"kept")
    os.mkdir("empty")
    fails("ENOTEMPTY", os.rename, "empty", "full")
    fails("EINVAL", os.rename, "full", "full/below/inside")
    put("file")
    fails("ENOTDIR", os.rename, "full", "file")
    fails("EISDIR", os.rename, "file", "full")
    inside = os.open("full/below/file", os.O_RDONLY)
    os.rename("full", "empty")
    need(get("empty/below/file") == b"kept" and os.read(inside, 9) == b"kept", "lost content")
    need(not os.path.exists("full"), "still there")
    os.makedirs("other")
    os.rename("empty/below", "other/moved")
    need(get("other/moved/file") == b"kept", "lost content")
    need(os.listdir("empty") == [], "still there")


def rename_noreplace():
    put("a", b"a")
    put("b", b"b")
    fails("EEXIST", renameat2, "a", "b", RENAME_NOREPLACE)
    need(get("b") == b"b", "replaced")
    renameat2("a", "c", RENAME_NOREPLACE)
    need(get("c") == b"a", "not renamed")


def rename_exchange():
    put("a", b"a")
    os.mkdir("b")
    renameat2("a", "b", RENAME_EXCHANGE)
    need(get("b") == b"a" and stat.S_ISDIR(os.stat("a").st_mode), "not exchanged")


def unlink_open():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"before")
    os.unlink("file")
    need(not os.path.exists("file") and os.listdir(".") == [], f"left: {os.listdir('.')}")
    os.write(fd, b" and after")
    need(os.pread(fd, 99, 0) == b"before and after", "other content")
    # A new file of the name is another one.
    put("file", b"new")
    need(os.pread(fd, 6, 0) == b"before", "the new file's content")


def unlinked_metadata():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"before")
    os.unlink("file")
    status = os.fstat(fd)
    need(status.st_nlink == 0, f"{status.st_nlink} links")
    need(status.st_size == 6, f"{status.st_size} bytes")
    os.fchmod(fd, 0o600)
    os.ftruncate(fd, 3)
    need(os.fstat(fd).st_size == 3, "not truncated")


def remove():
    os.makedirs("a/b")
    put("a/b/c")
    fails("ENOTEMPTY", os.rmdir, "a/b")
    fails("ENOTDIR", os.rmdir, "a/b/c")
    fails("EISDIR", os.unlink, "a/b")
    os.unlink("a/b/c")
    os.rmdir("a/b")
    fails("ENOENT", os.rmdir, "a/b")
    os.mkdir("current")
    os.chdir("current")
    os.rmdir("../current")
    fails("ENOENT", os.open, "file", os.O_CREAT | os.O_WRONLY)


def hard_links():
    put("a", b"one")
    os.mkdir("d")
    os.link("a", "d/b")
    need(os.stat("a").st_nlink == 2 and os.path.samefile("a", "d/b"), "not one file")
    put("d/b", b"two")
    need(get("a") == b"two", "other content")
    os.unlink("a")
    need(get("d/b") == b"two" and os.stat("d/b").st_nlink == 1, f"{os.stat('d/b').st_nlink} links")
    fails("EEXIST", os.link, "d/b", "d")
    os.symlink("nowhere", "s")
    os.link("s", "s2", follow_symlinks=False)
    need(os.readlink("s2") == "nowhere", "not a link to the symlink")


def symlinks():
    put("file", b"content")
    targets = {"relative": "file", "absolute": os.path.abspath("file"), "dangling": "../no/such", "self": "self"}
    targets["long"] = "x" * 4000
    for name, target in targets.items():
        os.symlink(target, name)
        need(os.readlink(name) == target, f"{name} leads to {os.readlink(name)}")
        need(os.lstat(name).st_size == len(target), f"size of {name}")
    need(get("relative") == b"content" and get("absolute") == b"content", "other content")
    fails("ENOENT", os.stat, "dangling")
    fails("ELOOP", os.stat, "self")
    fails("ELOOP", os.open, "relative", os.O_RDONLY | os.O_NOFOLLOW)
    fails("EEXIST", os.symlink, "x", "relative")
    os.utime("dangling", (5, 1_000_000_007), follow_symlinks=False)
    need(os.lstat("dangling").st_mtime == 1_000_000_007, "time of a symlink")


def names():
    wanted = [
        "Ünïcødé 名前 🐕".encode(),
        b"n" * 255,
        "é".encode() * 127,
        b"new\nline",
        b"-rf",
        b" space ",
        b"dot.",
        b"...",
        b"back\\slash:colon*?\"<>|",
        b"\x01\x7f",
        b"case",
        b"CASE",
    ]
    for name in wanted:
        put(name, name)
    need(sorted(os.listdir(b".")) == sorted(wanted), set(os.listdir(b".")) ^ set(wanted))
    for name in wanted:
        need(get(name) == name, name)
    fails("ENAMETOOLONG", put, b"n" * 256)


def names_not_utf8():
    wanted = [b"\xff\xfe", b"caf\xe9", b"\xc3"]
    for name in wanted:
        put(name, name)
    need(sorted(os.listdir(b".")) == sorted(wanted), os.listdir(b"."))
    for name in wanted:
        need(get(name) == name, name)


def deep():
    for _ in range(60):
        os.mkdir("d" * 60)
        os.chdir("d" * 60)
    put("leaf", b"deep")
    need(get("leaf") == b"deep", "other content")
    for _ in range(60):
        os.chdir("..")
    need(os.listdir(".") == ["d" * 60], os.listdir("."))


# What is known of a file.


def modes():
    put("file")
    os.mkdir("directory")
    for mode in [0o000, 0o400, 0o644, 0o755, 0o777, 0o111]:
        for name in ["file", "directory"]:
            os.chmod(name, mode)
            seen = stat.S_IMODE(os.stat(name).st_mode)
            need(seen == mode, f"{name} {mode:o}: {seen:o}")
    os.chmod("directory", 0o755)
    before = os.umask(0o027)
    put("masked", mode=0o666)
    os.mkdir("masked-directory")
    os.umask(before)
    seen = [stat.S_IMODE(os.stat(name).st_mode) for name in ["masked", "masked-directory"]]
    need(seen == [0o640, 0o750], f"umask: {seen}")
    os.chmod("file", 0)
    need(get("file") == b"x", "root may not read what it may")


def special_modes():
    put("file")
    os.chmod("file", 0o6755)
    need(stat.S_IMODE(os.stat("file").st_mode) == 0o6755, f"{os.stat('file').st_mode:o}")
    os.mkdir("directory")
    os.chmod("directory", 0o3777)
    need(stat.S_IMODE(os.stat("directory").st_mode) == 0o3777, f"{os.stat('directory').st_mode:o}")


def setgid_directory():
    os.mkdir("directory")
    os.chown("directory", 0, 1234)
    os.chmod("directory", 0o2775)
    need(os.stat("directory").st_mode & stat.S_ISGID, "the bit is lost")
    put("directory/file")
    need(os.stat("directory/file").st_gid == 1234, f"group {os.stat('directory/file').st_gid}")


def setuid_is_lost_by_writing():
    put("file")
    os.chown("file", 1000, 1000)
    os.chmod(".", 0o777)
    os.chmod("file", 0o4777)

    def write():
        fd = os.open("file", os.O_WRONLY)
        os.write(fd, b"other")

    need(as_user(1000, write) == "ok", "not written")
    need(os.stat("file").st_mode & stat.S_ISUID == 0, "kept")


def chown():
    put("file")
    need((os.stat("file").st_uid, os.stat("file").st_gid) == (0, 0), "root's file is another's")
    os.chown("file", 1000, 1001)
    seen = os.stat("file")
    need((seen.st_uid, seen.st_gid) == (1000, 1001), f"{seen.st_uid}:{seen.st_gid}")


def ordinary_user():
    put("secret", b"root's", 0o600)
    put("public", b"all's", 0o644)
    os.mkdir("open")
    os.chmod("open", 0o777)
    os.chmod(".", 0o755)

    def act():
        fails("EACCES", os.open, "secret", os.O_RDONLY)
        fails("EACCES", os.open, "public", os.O_WRONLY)
        fails("EACCES", os.open, "new", os.O_WRONLY | os.O_CREAT)
        fails("EPERM", os.chmod, "public", 0o777)
        need(get("public") == b"all's", "other content")
        put("open/mine", b"mine")
        need(get("open/mine") == b"mine", "other content")
        os.chmod("open/mine", 0o600)
        os.rename("open/mine", "open/renamed")

    seen = as_user(1000, act)
    need(seen == "ok", seen)
    need(os.stat("open/renamed").st_uid == 1000, f"its file is owned by {os.stat('open/renamed').st_uid}")


def times():
    put("file")
    before = time.time_ns()
    put("file", b"again")
    need(abs(os.stat("file").st_mtime_ns - before) < 2_000_000_000, "a write leaves the time")
    os.mkdir("directory")
    os.utime("directory", (0, 1))
    put("directory/file")
    need(os.stat("directory").st_mtime_ns != 10**9, "a new name leaves the directory's time")
    for second in [0, 2**31 - 1, 2**31 + 5, 2**32 + 5]:
        os.utime("file", ns=(second * 10**9, second * 10**9))
        need(os.stat("file").st_mtime == second, f"{second} is {os.stat('file').st_mtime}")


def nanoseconds():
    put("file")
    wanted = (1_234_567_890_123_456_789, 987_654_321_098_765_432)
    os.utime("file", ns=wanted)
    seen = os.stat("file")
    need((seen.st_atime_ns, seen.st_mtime_ns) == wanted, f"{seen.st_mtime_ns}")


def xattrs():
    put("file")
    os.setxattr("file", "user.kelpie", b"value")
    os.setxattr("file", "user.large", b"v" * 3000)
    need(os.getxattr("file", "user.kelpie") == b"value", "other value")
    need(len(os.getxattr("file", "user.large")) == 3000, "cut")
    need(sorted(os.listxattr("file")) == ["user.kelpie", "user.large"], os.listxattr("file"))
    fails("EEXIST", os.setxattr, "file", "user.kelpie", b"x", os.XATTR_CREATE)
    os.removexattr("file", "user.kelpie")
    fails("ENODATA", os.getxattr, "file", "user.kelpie")
    fails("ENODATA", os.setxattr, "file", "user.kelpie", b"x", os.XATTR_REPLACE)
    os.mkdir("directory")
    os.setxattr("directory", "user.kelpie", b"of a directory")
    os.rename("file", "renamed")
    need(os.getxattr("renamed", "user.large")[:1] == b"v", "lost by renaming")


def xattr_empty():
    put("file")
    os.setxattr("file", "user.empty", b"")
    need(os.getxattr("file", "user.empty") == b"", "other value")


def xattr(name):
    put("file")
    os.setxattr("file", name, b"\1\0\0\2" + b"\0" * 16)
    need(os.getxattr("file", name) == b"\1\0\0\2" + b"\0" * 16, "other value")


def acl():
    put("file")
    entries = [(1, 6, -1), (2, 4, 1000), (4, 4, -1), (16, 4, -1), (32, 4, -1)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr("file", "system.posix_acl_access", value)
    need(os.getxattr("file", "system.posix_acl_access") == value, "other value")


# Other kinds of files.


def fifo():
    os.mkfifo("fifo")
    reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.write(os.open("fifo", os.O_WRONLY), b"through")
    need(os.read(reader, 99) == b"through", "nothing came")


def unix_socket():
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    client.send(b"through")
    need(server.accept()[0].recv(99) == b"through", "nothing came")


def device(name):
    kind, major, minor = {"null": (stat.S_IFCHR, 1, 3), "disk": (stat.S_IFBLK, 7, 0)}[name]
    os.mknod("node", kind | 0o666, os.makedev(major, minor))
    seen = os.stat("node")
    need(stat.S_IFMT(seen.st_mode) == kind and seen.st_rdev == os.makedev(major, minor), f"{seen.st_mode:o}")


def tmpfile():
    fd = os.open(".", O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"content")
    need(os.listdir(".") == [], "it has a name")
    called(libc.linkat(fd, b"", AT_FDCWD, b"named", AT_EMPTY_PATH))
    need(get("named") == b"content", "other content")


# Content: sizes, holes, memory.


def large():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    places = [0, 2**31 - 3, 2**32 - 3, 5 * 2**30]
    for place in places:
        os.pwrite(fd, b"%012d" % place, place)
    os.fsync(fd)
    for place in places:
        need(os.pread(fd, 12, place) == b"%012d" % place, f"other content at {place}")
    need(os.stat("file").st_size == 5 * 2**30 + 12, "size")
    need(os.pread(fd, 4, 2**30) == b"\0\0\0\0", "a hole with content")
    used = os.stat("file").st_blocks * 512
    need(used < 2**20, f"{used} bytes used")
    os.ftruncate(fd, 2**32 + 1)
    need(os.fstat(fd).st_size == 2**32 + 1, "truncated")


def holes():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"x" * 4096, 2**20)
    os.ftruncate(fd, 2**21)
    os.fsync(fd)
    need(os.lseek(fd, 0, os.SEEK_DATA) == 2**20, f"data at {os.lseek(fd, 0, os.SEEK_DATA)}")
    need(os.lseek(fd, 2**20, os.SEEK_HOLE) == 2**20 + 4096, f"hole at {os.lseek(fd, 2**20, os.SEEK_HOLE)}")


def allocate():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    called(libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(2**20)))
    need(os.fstat(fd).st_size == 2**20 and os.fstat(fd).st_blocks * 512 >= 2**20, "not allocated")


def punch_hole():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * 2**20)
    os.fsync(fd)
    called(libc.fallocate(fd, 3, ctypes.c_long(4096), ctypes.c_long(2**20 - 4096)))
    need(os.pread(fd, 4, 4096) == b"\0\0\0\0" and os.fstat(fd).st_size == 2**20, "not punched")


def direct():
    fd = os.open("file", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    page = mmap.mmap(-1, 8192)
    page.write(b"d" * 8192)
    need(os.writev(fd, [page]) == 8192, "a short write")
    need(get("file") == b"d" * 8192, "other content")


def sync():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"content")
    os.fsync(fd)
    os.fdatasync(fd)
    directory = os.open(".", os.O_RDONLY)
    os.fsync(directory)
    called(libc.syncfs(directory))


def mapped():
    fd = os.open("file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"a" * 10000)
    with mmap.mmap(fd, 0) as first, mmap.mmap(fd, 0) as second:
        first[5000:5005] = b"hello"
        need(second[5000:5005] == b"hello", "two mappings differ")
        first.flush()
        need(os.pread(fd, 5, 5000) == b"hello", "a read does not see what was mapped")
        child = os.fork()
        if child == 0:
            second[9000:9003] = b"kid"
            os._exit(0)
        os.waitpid(child, 0)
        need(first[9000:9003] == b"kid", "two processes' mappings differ")
    with mmap.mmap(fd, 0, mmap.MAP_PRIVATE) as private:
        private[0:3] = b"own"
        need(os.pread(fd, 3, 0) == b"aaa", "a private mapping was written")
    os.close(fd)
    need(get("file")[5000:5005] == b"hello", "lost at the end")


def executed():
    put("script", b"#!/bin/sh\necho ran $1\n", 0o755)
    need(os.popen("./script well").read() == "ran well\n", "not run")
    put("copy", get("/bin/echo"), 0o755)
    need(os.popen("./copy mapped").read() == "mapped\n", "a binary does not run")
    os.chmod("script", 0o644)
    fails("EACCES", os.execv, "./script", ["script"])


def database(journal):
    """Two processes that write one SQLite database: locks, shared memory and syncs as programs use them."""
    sqlite3.connect("db").executescript(f"pragma journal_mode={journal}; create table t(who, number)")
    children = []
    for who in range(2):
        child = os.fork()
        if child == 0:
            connection = sqlite3.connect("db", timeout=60, isolation_level=None)
            for number in range(20):
                connection.execute("insert into t values(?, ?)", (who, number))
            os._exit(0)
        children.append(child)
    for child in children:
        need(os.waitpid(child, 0)[1] == 0, "a writer failed")
    connection = sqlite3.connect("db")
    need(connection.execute("pragma journal_mode").fetchone() == (journal,), "other journal")
    need(connection.execute("select count(distinct who || ' ' || number) from t").fetchone() == (40,), "lost rows")
    need(connection.execute("pragma integrity_check").fetchone() == ("ok",), "damaged")


# Directories.


def listing():
    for number in range(40):
        put(f"f{number}")
    os.mkdir("d")
    os.symlink("x", "s")
    with os.scandir(".") as entries:
        kinds = {entry.name: (entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries}
    need(len(kinds) == 42 and kinds["d"] == (True, False) and kinds["s"] == (False, True), "kinds")
    need(os.stat(".").st_ino == os.stat("d/..").st_ino, "the parent is another")
    before = os.stat("f7").st_ino
    os.rename("f7", "f7-renamed")
    need(os.stat("f7-renamed").st_ino == before, "another inode after renaming")


def many(count):
    start = time.monotonic()
    os.mkdir("many")
    for number in range(count):
        os.close(os.open(f"many/f{number}", os.O_CREAT | os.O_WRONLY))
    created = time.monotonic()
    seen = os.listdir("many")
    need(len(seen) == count and len(set(seen)) == count, f"{len(set(seen))} of {count}, {len(seen)} entries")
    listed = time.monotonic()
    for name in seen:
        os.stat(f"many/{name}")
    looked = time.monotonic()
    for name in seen:
        os.unlink(f"many/{name}")
    os.rmdir("many")
    removed = time.monotonic()
    steps = zip(["create", "list", "stat", "remove"], [start, created, listed, looked], [created, listed, looked, removed])
    print(json.dumps({"note": ", ".join(f"{what} {end - begin:.1f} s" for what, begin, end in steps)}), flush=True)


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("len", ctypes.c_ushort), ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]


def seek_while_deleting(count):
    """Removes what is listed while it is listed, and goes back and forth, as an rm of a large tree does."""
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    libc.telldir.argtypes = libc.rewinddir.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    libc.readdir.argtypes = [ctypes.c_void_p]

    def following(stream):
        entry = libc.readdir(stream)
        return None if entry is None else ctypes.cast(entry, ctypes.POINTER(Dirent)).contents.name.decode()

    for number in range(count):
        put(f"f{number:05}", b"")
    stream = libc.opendir(b".")
    places, seen = [], []
    while True:
        place = libc.telldir(stream)
        name = following(stream)
        if name is None:
            break
        places.append(place)
        seen.append(name)
    need(len(seen) == count + 2, f"{len(seen)} entries of {count + 2}")
    for index in [count // 2, 3, count - 5]:
        libc.seekdir(stream, places[index])
        name = following(stream)
        need(name == seen[index], f"{name} at the place of {seen[index]}")
    libc.rewinddir(stream)
    removed = 0
    while (name := following(stream)) is not None:
        if name.startswith("f"):
            os.unlink(name)
            removed += 1
    need(removed == count, f"{removed} of {count} were seen while they were removed")
    need(os.listdir(".") == [], "left")


def space():
    seen = os.statvfs(".")
    need(seen.f_blocks > 0 and seen.f_frsize > 0, "no size")
    need(0 < seen.f_bavail <= seen.f_bfree <= seen.f_blocks, "no free space")
    need(seen.f_namemax == 255, f"names of {seen.f_namemax}")


# Two processes. Each of these is one step; the order is the caller's.


def lock(kind, start=0, length=0):
    if os.getcwd() not in held:
        held[os.getcwd()] = os.open("file", os.O_RDWR | os.O_CREAT)
    file = held[os.getcwd()]
    if kind == "flock":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif kind == "flock-shared":
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)


def unlock(kind):
    file = held[os.getcwd()]
    if kind == "flock":
        fcntl.flock(file, fcntl.LOCK_UN)
    else:
        fcntl.lockf(file, fcntl.LOCK_UN)


def lock_goes_with_its_process():
    child = os.fork()
    if child == 0:
        fcntl.flock(os.open("flock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
        fcntl.lockf(os.open("fcntl", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
        os._exit(0)
    os.waitpid(child, 0)
    fcntl.flock(os.open("flock", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(os.open("fcntl", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)


def two_kinds_of_locks():
    file = os.open("file", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_file_description_locks():
    first, second = (os.open("file", os.O_RDWR | os.O_CREAT) for _ in range(2))
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(first, 37, wanted)
    fails("EAGAIN", fcntl.fcntl, second, 37, wanted)
    os.close(first)
    fcntl.fcntl(second, 37, wanted)


def waits_for_a_lock():
    """One process waits until the other lets go, and gets what it wrote before."""
    file = os.open("file", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(file, fcntl.LOCK_EX)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b".")
        fcntl.lockf(file, fcntl.LOCK_EX)
        os.write(writing, os.pread(file, 99, 0))
        os._exit(0)
    os.close(writing)
    os.read(reading, 1)
    os.pwrite(file, b"written first", 0)
    fcntl.lockf(file, fcntl.LOCK_UN)
    need(os.read(reading, 99) == b"written first", "it did not wait")
    os.waitpid(child, 0)


def appends(tag, count, size=40):
    fd = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(count):
        line = f"{tag} {number} ".ljust(size - 1, ".") + "\n"
        need(os.write(fd, line.encode()) == size, "a short write")
    os.close(fd)


def two_append():
    child = os.fork()
    if child == 0:
        os._exit(answer(appends, "child", 200) != "ok")
    appends("parent", 200)
    need(os.waitpid(child, 0)[1] == 0, "the other failed")
    lines = get("log").split(b"\n")
    need(len(lines) == 401, f"{len(lines) - 1} of 400 lines")
    need(len(set(lines)) == 401 and all(len(line) in (0, 39) for line in lines), "mixed lines")


def replaces(tag, count):
    """Puts a whole new version in place again and again, and reads whichever is there."""
    for number in range(count):
        content = f"{tag}{number} ".encode() * 500
        put(f"{tag}.tmp", content)
        os.rename(f"{tag}.tmp", "current")
        seen = get("current")
        words = seen.split(b" ")
        need(len(words) == 501 and len(set(words)) == 2, f"a torn file of {len(seen)} bytes")


def reads(name, wanted, within_ms, how="open"):
    """Reads until it sees what is wanted. An open file is read again by its descriptor, or by a mapping of it."""
    key = f"{os.getcwd()}/{name}"
    keeps = how in ("descriptor", "mapping of a held file")
    if keeps and key not in held:
        held[key] = os.open(name, os.O_RDONLY)
    start = time.monotonic()
    seen = b""
    while True:
        try:
            if how == "open":
                seen = get(name)
            elif how == "descriptor":
                seen = os.pread(held[key], 1000, 0)
            else:
                fd = held[key] if keeps else os.open(name, os.O_RDONLY)
                with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as memory:
                    seen = memory[:]
                if not keeps:
                    os.close(fd)
        except OSError as error:
            seen = errno.errorcode[error.errno].encode()
        elapsed = (time.monotonic() - start) * 1000
        if seen.decode() == wanted or elapsed > within_ms:
            break
        time.sleep(0.02)
    need(seen.decode() == wanted, f"still {seen[:60]!r}")
    print(json.dumps({"note": f"after {elapsed:.0f} ms"}), flush=True)


def lists(wanted):
    need(sorted(os.listdir(".")) == sorted(wanted), sorted(os.listdir(".")))


def writes(name, text):
    put(name, text.encode())


def writes_mapped(name, text):
    with open(name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[: len(text)] = text.encode()
        memory.flush()


def never_reads(path, secret, count):
    """Goes through what the host keeps exchanging, and must never arrive where it leads on the host."""
    found = tried = 0
    start = time.monotonic()
    # The guest's kernel may take it for the symlink for a second.
    while tried < count or (found == 0 and time.monotonic() < start + 20):
        tried += 1
        try:
            need(secret.encode() not in get(path), "read from outside of the share")
            found += 1
        except OSError:
            pass
        try:
            fd = os.open(path + ".made", os.O_CREAT | os.O_WRONLY)
            os.close(fd)
            os.unlink(path + ".made")
        except OSError:
            pass
    need(found > 0, "never found")


def makes_and_removes(tag, count):
    for number in range(count):
        put(f"{tag}-{number}", b"")
        if number % 2 == 0:
            os.unlink(f"{tag}-{number}")


def leads_nowhere_outside(outside, secret):
    """The host's path, by every kind of link, is a path of the guest: nothing is there, and what is made is made here."""
    targets = [outside, "../../" * 20 + outside.lstrip("/"), f"{outside}/secret"]
    for number, target in enumerate(targets):
        os.symlink(target, f"link{number}")
        for path in [f"link{number}", f"link{number}/secret", f"link{number}/../secret"]:
            for flags in [os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREAT, os.O_RDONLY | os.O_DIRECTORY]:
                fails("ENOENT", os.open, path, flags)
            fails("ENOENT", os.truncate, path, 0)
            fails("ENOENT", os.chmod, path, 0o777)
    os.link("link0", "linked", follow_symlinks=False)
    fails("ENOENT", os.listdir, "linked")
    top = os.open("/workspace", os.O_RDONLY)
    parent = os.stat("..", dir_fd=top)
    need(os.path.samestat(parent, os.stat("/")), "the parent of the share is not the guest's root")
    need(secret not in str(os.listdir("..")), "listed")


def cannot(path):
    """Each way to change something must be refused."""
    actions = {
        "create": lambda: put(f"{path}/new"),
        "write": lambda: os.open(f"{path}/file", os.O_WRONLY),
        "truncate": lambda: os.truncate(f"{path}/file", 0),
        "mkdir": lambda: os.mkdir(f"{path}/new"),
        "unlink": lambda: os.unlink(f"{path}/file"),
        "rmdir": lambda: os.rmdir(f"{path}/directory"),
        "rename": lambda: os.rename(f"{path}/file", f"{path}/other"),
        "link": lambda: os.link(f"{path}/file", f"{path}/other"),
        "symlink": lambda: os.symlink("x", f"{path}/other"),
        "mkfifo": lambda: os.mkfifo(f"{path}/other"),
        "chmod": lambda: os.chmod(f"{path}/file", 0o777),
        "chown": lambda: os.chown(f"{path}/file", 5, 5),
        "utime": lambda: os.utime(f"{path}/file", (1, 1)),
        "setxattr": lambda: os.setxattr(f"{path}/file", "user.x", b"x"),
    }
    for what, action in actions.items():
        try:
            action()
        except OSError as error:
            need(error.errno in (errno.EROFS, errno.EACCES, errno.EPERM), f"{what}: {errno.errorcode[error.errno]}")
            continue
        raise Saw(f"{what} was done")


def stays_read_only(path):
    """A root that mounts it anew for writing has gained nothing."""
    cannot(path)
    libc.mount(None, path.encode(), None, 32, None)
    cannot(path)
    need(get(f"{path}/file") == b"as it is\n", "other content")


def answer(function, *arguments):
    try:
        result = function(*arguments)
        return "ok" if result is None else str(result)
    except Saw as seen:
        return str(seen)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:  # A probe that is wrong must say so, not end all others.
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    name, directory, *arguments = json.loads(line)
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    os.umask(0o022)
    print(json.dumps(answer(globals()[name], *arguments)), flush=True)
